//! A provider that lies in every way we could think of: each lie is refused with its own code, and leaves nothing but
//! the one event. One line is one case.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use serde_json::{Map, Value, json};

use crate::support::http::{Answer, Http};
use crate::support::provider::{VERIFIER, challenge};
use crate::support::world::{Backend, CATALOGUE, POLICY, World};

/// What the provider answers at its four addresses.
pub(crate) struct Script {
    pub(crate) issuer: String,
    pub(crate) discovery: Value,
    pub(crate) keys: Value,
    pub(crate) head: Value,
    pub(crate) claims: Value,
    pub(crate) answer: Value,
    pub(crate) userinfo: Value,
    pub(crate) sign: Sign,
    /// What it says where sign-ins of devices begin.
    pub(crate) device: Value,
    /// An address that answers in this way instead.
    pub(crate) instead: Option<(&'static str, u16, String)>,
    key: Arc<EcdsaKeyPair>,
}

/// Who signs, and how.
#[derive(Clone)]
pub(crate) enum Sign {
    Ours,
    /// Somebody else's key.
    Another,
    /// HMAC with what everybody can read, as a confused verifier accepts it.
    Public,
    /// The whole token as it is.
    Token(String),
    /// Our signature over other claims.
    Moved,
    /// Our signature, with one bit changed.
    Bent,
    Nothing,
}

pub(crate) type Shared = Arc<Mutex<Script>>;

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn ecdsa() -> EcdsaKeyPair {
    let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let made = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(kind, made.as_ref(), &random).unwrap()
}

fn signature(key: &EcdsaKeyPair, text: &str) -> Vec<u8> {
    let signed = key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
    signed.as_ref().to_vec()
}

fn published(key: &EcdsaKeyPair) -> Value {
    let point = key.public_key().as_ref();
    let (x, y) = (&point[1..33], &point[33..]);
    json!({"kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "alg": "ES256",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
}

impl Script {
    fn token(&self) -> String {
        let text = format!("{}.{}", encode(&self.head), encode(&self.claims));
        let sign = match &self.sign {
            Sign::Token(token) => return token.clone(),
            Sign::Ours => signature(&self.key, &text),
            Sign::Another => signature(&ecdsa(), &text),
            Sign::Moved => signature(&self.key, &format!("{}.e30", encode(&self.head))),
            Sign::Bent => {
                let mut bytes = signature(&self.key, &text);
                bytes[10] ^= 1;
                bytes
            }
            Sign::Public => {
                let key = self.keys.to_string();
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes());
                ring::hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            Sign::Nothing => Vec::new(),
        };
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(sign))
    }

    /// Puts everything back to how an honest provider is.
    pub(crate) fn reset(&mut self, nonce: &str, now: i64) {
        let issuer = self.issuer.clone();
        self.discovery = json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"), "userinfo_endpoint": format!("{issuer}/userinfo"),
            "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        self.keys = json!({"keys": [published(&self.key)]});
        self.head = json!({"alg": "ES256", "kid": "k", "typ": "JWT"});
        self.claims = json!({"iss": issuer, "sub": "u1", "aud": "portcullis", "exp": now + 300, "iat": now, "nonce": nonce,
            "groups": ["eng"], "preferred_username": "mallory"});
        self.answer = json!({"access_token": "access", "token_type": "Bearer", "expires_in": 60});
        self.userinfo = json!({"sub": "u1", "groups": ["eng"], "preferred_username": "mallory"});
        self.sign = Sign::Ours;
        self.instead = None;
    }
}

async fn serve(State(script): State<Shared>, uri: Uri) -> Response {
    let script = script.lock().unwrap();
    let path = uri.path();
    if let Some((_, status, body)) = script.instead.as_ref().filter(|(at, ..)| *at == path) {
        let status = StatusCode::from_u16(*status).unwrap();
        let elsewhere = [(header::LOCATION, format!("{}/token", script.issuer))];
        return (status, elsewhere, body.clone()).into_response();
    }
    let body = match path {
        "/.well-known/openid-configuration" => script.discovery.to_string(),
        "/keys" => script.keys.to_string(),
        "/userinfo" => script.userinfo.to_string(),
        "/device" => script.device.to_string(),
        "/token" => {
            let mut answer = script.answer.clone();
            if answer.is_object() && answer.get("id_token").is_none() {
                answer["id_token"] = json!(script.token());
            }
            answer.to_string()
        }
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub(crate) async fn provider() -> Shared {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let script = Arc::new(Mutex::new(Script {
        issuer: format!("http://{}", listener.local_addr().unwrap()),
        discovery: Value::Null,
        keys: Value::Null,
        head: Value::Null,
        claims: Value::Null,
        answer: Value::Null,
        userinfo: Value::Null,
        sign: Sign::Ours,
        device: Value::Null,
        instead: None,
        key: Arc::new(ecdsa()),
    }));
    script.lock().unwrap().reset("", 0);
    let routes = Router::new()
        .fallback(serve)
        .with_state(Arc::clone(&script));
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    script
}

async fn world(script: &Shared) -> World {
    let issuer = script.lock().unwrap().issuer.clone();
    let identity = format!(
        "[identity]\nissuer = \"{issuer}\"\nclient_id = \"portcullis\"\nclient_secret = \"s\"\nallow_loopback = true\n\
         [identity.roles]\neng = [\"requester\"]\n"
    );
    let catalogue = format!("{CATALOGUE}\n{identity}");
    World::with(Backend::Sqlite, POLICY, &catalogue, Some(1_800_000_000_000)).await
}

/// What becomes of a sign-in: a status and a code, or `signed in`.
async fn attempt(
    world: &World,
    script: &Shared,
    lie: impl Fn(&mut Script, i64),
) -> (u16, String, String) {
    let finished = sign_in(&Http::newcomer(&world.url()), world, script, lie).await;
    if finished.status == 200 {
        return (200, "signed in".to_owned(), String::new());
    }
    let (status, code) = finished.problem();
    (status, code, finished.text("title"))
}

/// Goes the whole way of a sign-in on this device, with a provider that says this; the last answer.
pub(crate) async fn sign_in(
    http: &Http,
    world: &World,
    script: &Shared,
    lie: impl Fn(&mut Script, i64),
) -> Answer {
    let now = world.now().await.timestamp();
    {
        let mut script = script.lock().unwrap();
        script.reset("", now);
        lie(&mut script, now);
    }
    let start = json!({"redirect_uri": "http://127.0.0.1:40000/", "code_challenge": challenge()});
    let begun = http.post("/v1/sign-in/oidc/start", None, start).await;
    if begun.status != 200 {
        return begun;
    }
    let address: reqwest::Url = begun.text("authorize_url").parse().unwrap();
    let nonce = address.query_pairs().find(|(name, _)| name == "nonce");
    let nonce = nonce.unwrap().1.into_owned();
    {
        let mut script = script.lock().unwrap();
        script.reset(&nonce, now);
        lie(&mut script, now);
    }
    let body = json!({"state": begun.text("state"), "code": "c", "code_verifier": VERIFIER});
    http.post("/v1/sign-in/oidc/finish", None, body).await
}

async fn rows(world: &World) -> [i64; 3] {
    let mut counts = [0; 3];
    for (count, table) in counts
        .iter_mut()
        .zip(["principals", "identities", "sign_ins"])
    {
        *count = world.number(&format!("select count(*) from {table}")).await;
    }
    counts
}

type Lie = fn(&mut Script, i64);

/// Lies in ID tokens and in the answers that bring them.
#[rustfmt::skip]
const TOKENS: &[(&str, &str, Lie)] = &[
    // The form.
    ("no ID token", "id-token-missing", |s, _| s.answer["id_token"] = Value::Null),
    ("an empty ID token", "id-token-malformed", |s, _| s.sign = Sign::Token(String::new())),
    ("two parts", "id-token-malformed", |s, _| s.sign = Sign::Token("e30.e30".to_owned())),
    ("five parts, as an encrypted one has", "id-token-malformed", |s, _| s.sign = Sign::Token("e30.e30.e30.e30.e30".to_owned())),
    ("padding in base64", "id-token-malformed", |s, _| s.sign = Sign::Token("e30=.e30=.AA==".to_owned())),
    ("a head that is no JSON", "id-token-header", |s, _| s.sign = Sign::Token("AAAA.e30.AAAA".to_owned())),
    ("a head without an algorithm", "id-token-header", |s, _| s.head = json!({"kid": "k"})),
    ("a head that is a list", "id-token-header", |s, _| s.head = json!([])),
    ("another kind of token", "id-token-header", |s, _| s.head["typ"] = json!("at+jwt")),
    ("a logout token", "id-token-header", |s, _| s.head["typ"] = json!("logout+jwt")),
    ("an extension that is critical", "id-token-critical", |s, _| s.head["crit"] = json!(["exp"])),
    ("an empty list of critical extensions", "id-token-critical", |s, _| s.head["crit"] = json!([])),
    ("a token of a megabyte", "provider-answer-too-large", |s, _| s.claims["pad"] = json!("x".repeat(1 << 20))),
    ("a token of 60 KiB", "id-token-too-large", |s, _| s.claims["pad"] = json!("x".repeat(45 << 10))),
    ("claims that are no JSON", "id-token-claims", |s, _| s.claims = json!("text")),
    ("claims that are a list", "id-token-claims", |s, _| s.claims = json!([])),
    // The signature.
    ("no signature, and `none`", "id-token-algorithm", |s, _| { s.head["alg"] = json!("none"); s.sign = Sign::Nothing; }),
    ("`None` in capitals", "id-token-algorithm", |s, _| { s.head["alg"] = json!("NONE"); s.sign = Sign::Nothing; }),
    ("no signature, and `ES256`", "id-token-signature", |s, _| s.sign = Sign::Nothing),
    ("HS256 over the public keys", "id-token-algorithm", |s, _| { s.head["alg"] = json!("HS256"); s.sign = Sign::Public; }),
    ("HS512", "id-token-algorithm", |s, _| s.head["alg"] = json!("HS512")),
    ("ES384, which is not on the list", "id-token-algorithm", |s, _| s.head["alg"] = json!("ES384")),
    ("RS1", "id-token-algorithm", |s, _| s.head["alg"] = json!("RS1")),
    ("an empty algorithm", "id-token-algorithm", |s, _| s.head["alg"] = json!("")),
    ("RS256 with a key for ES256", "id-token-key-mismatch", |s, _| s.head["alg"] = json!("RS256")),
    ("EdDSA with a key for ES256", "id-token-key-mismatch", |s, _| s.head["alg"] = json!("EdDSA")),
    ("a key that nobody publishes", "id-token-key", |s, _| s.head["kid"] = json!("other")),
    ("a key that is a path", "id-token-key", |s, _| s.head["kid"] = json!("../../etc/passwd")),
    ("a key that brings itself along", "id-token-key", |s, _| { s.head = json!({"alg": "ES256", "kid": "own", "jwk": published(&ecdsa())}); s.sign = Sign::Another; }),
    ("a key at an address of its own", "id-token-key", |s, _| { s.head = json!({"alg": "ES256", "kid": "own", "jku": "https://evil.example/keys"}); s.sign = Sign::Another; }),
    ("somebody else's signature", "id-token-signature", |s, _| s.sign = Sign::Another),
    ("our signature over something else", "id-token-signature", |s, _| s.sign = Sign::Moved),
    ("a signature with one bit changed", "id-token-signature", |s, _| s.sign = Sign::Bent),
    // Who, from whom, for whom.
    ("another issuer", "id-token-issuer", |s, _| s.claims["iss"] = json!("https://evil.example")),
    ("the issuer with a slash more", "id-token-issuer", |s, _| s.claims["iss"] = json!(format!("{}/", s.issuer))),
    ("the issuer in capitals", "id-token-issuer", |s, _| s.claims["iss"] = json!(s.issuer.to_uppercase())),
    ("no issuer", "id-token-claims", |s, _| drop(s.claims.as_object_mut().unwrap().remove("iss"))),
    ("an issuer that is a list", "id-token-claims", |s, _| s.claims["iss"] = json!([s.issuer])),
    ("another audience", "id-token-audience", |s, _| s.claims["aud"] = json!("somebody")),
    ("no audience", "id-token-claims", |s, _| drop(s.claims.as_object_mut().unwrap().remove("aud"))),
    ("an empty audience", "id-token-audience", |s, _| s.claims["aud"] = json!([])),
    ("an audience that only begins like us", "id-token-audience", |s, _| s.claims["aud"] = json!("portcullis-dev")),
    ("an audience that is an object", "id-token-claims", |s, _| s.claims["aud"] = json!({"portcullis": true})),
    ("two audiences and no party", "id-token-party", |s, _| s.claims["aud"] = json!(["portcullis", "somebody"])),
    ("two audiences and another party", "id-token-party", |s, _| { s.claims["aud"] = json!(["portcullis", "somebody"]); s.claims["azp"] = json!("somebody"); }),
    ("one audience and another party", "id-token-party", |s, _| s.claims["azp"] = json!("somebody")),
    ("no subject", "id-token-claims", |s, _| drop(s.claims.as_object_mut().unwrap().remove("sub"))),
    ("an empty subject", "id-token-subject", |s, _| s.claims["sub"] = json!("")),
    ("a subject that is a number", "id-token-claims", |s, _| s.claims["sub"] = json!(1)),
    ("a subject of 300 letters", "id-token-subject", |s, _| s.claims["sub"] = json!("x".repeat(300))),
    ("a subject with a letter that looks like another", "id-token-subject", |s, _| s.claims["sub"] = json!("u\u{ff11}")),
    ("a subject with a line break", "id-token-subject", |s, _| s.claims["sub"] = json!("u1\nroot")),
    // When.
    ("over for two minutes", "id-token-expired", |s, now| s.claims["exp"] = json!(now - 120)),
    ("over for exactly the leeway", "id-token-expired", |s, now| s.claims["exp"] = json!(now - 60)),
    ("no end", "id-token-claims", |s, _| drop(s.claims.as_object_mut().unwrap().remove("exp"))),
    ("an end that is text", "id-token-claims", |s, now| s.claims["exp"] = json!((now + 300).to_string())),
    ("an end in milliseconds", "id-token-claims", |s, now| s.claims["exp"] = json!(now * 1000)),
    ("an end before all time", "id-token-claims", |s, _| s.claims["exp"] = json!(-1)),
    ("an end beyond all numbers", "id-token-claims", |s, _| s.claims["exp"] = json!(1e300)),
    ("issued in two minutes", "id-token-too-early", |s, now| s.claims["iat"] = json!(now + 120)),
    ("no moment of issue", "id-token-claims", |s, _| drop(s.claims.as_object_mut().unwrap().remove("iat"))),
    ("good in two minutes", "id-token-too-early", |s, now| s.claims["nbf"] = json!(now + 120)),
    ("issued before the sign-in began", "id-token-too-old", |s, now| s.claims["iat"] = json!(now - 600)),
    // For what.
    ("no nonce", "id-token-nonce", |s, _| drop(s.claims.as_object_mut().unwrap().remove("nonce"))),
    ("another nonce", "id-token-nonce", |s, _| s.claims["nonce"] = json!("n")),
    ("the nonce with something behind", "id-token-nonce", |s, _| s.claims["nonce"] = json!(format!("{}x", s.claims["nonce"].as_str().unwrap()))),
    ("the hash of another access token", "id-token-access-hash", |s, _| s.claims["at_hash"] = json!("AAAAAAAAAAAAAAAAAAAAAA")),
    ("a hash, and no access token", "id-token-access-hash", |s, _| { s.claims["at_hash"] = json!("AAAAAAAAAAAAAAAAAAAAAA"); drop(s.answer.as_object_mut().unwrap().remove("access_token")); }),
    ("an access token of another kind", "token-type", |s, _| s.answer["token_type"] = json!("mac")),
    ("a claim that comes twice", "id-token-claims", |s, _| s.sign = Sign::Token(twice(s))),
    // What else it says.
    ("groups that are a number", "groups-malformed", |s, _| s.claims["groups"] = json!(7)),
    ("groups that are objects", "groups-malformed", |s, _| s.claims["groups"] = json!([{"name": "eng"}])),
    ("two thousand groups", "groups-too-many", |s, _| s.claims["groups"] = json!(vec!["g"; 2000])),
    ("groups that are somewhere else", "groups-elsewhere", |s, _| { drop(s.claims.as_object_mut().unwrap().remove("groups")); s.claims["_claim_names"] = json!({"groups": "src1"}); s.userinfo = json!({"sub": "u1"}); }),
    ("a name of nothing usable", "name-unusable", |s, _| s.claims["preferred_username"] = json!("\u{202e}\u{202e}")),
    ("no name", "name-missing", |s, _| { drop(s.claims.as_object_mut().unwrap().remove("preferred_username")); s.userinfo = json!({"sub": "u1"}); }),
    ("a name that is taken", "name-taken", |s, _| s.claims["preferred_username"] = json!("root")),
    ("userinfo about somebody else", "id-token-other-person", |s, _| { drop(s.claims.as_object_mut().unwrap().remove("groups")); s.userinfo["sub"] = json!("u2"); }),
    ("userinfo about nobody", "id-token-other-person", |s, _| { drop(s.claims.as_object_mut().unwrap().remove("groups")); s.userinfo = json!({"groups": ["eng"]}); }),
    ("userinfo that is no JSON", "provider-answer-malformed", |s, _| { drop(s.claims.as_object_mut().unwrap().remove("groups")); s.instead = Some(("/userinfo", 200, "eyJhbGciOiJub25lIn0.e30.".to_owned())); }),
    // The answer as a whole.
    ("a page instead of tokens", "provider-answer-malformed", |s, _| s.instead = Some(("/token", 200, "<html>".to_owned()))),
    ("a list instead of tokens", "provider-answer-malformed", |s, _| s.answer = json!([])),
    ("an endless answer", "provider-answer-too-large", |s, _| s.instead = Some(("/token", 200, "x".repeat(1 << 20)))),
    ("elsewhere instead of tokens", "provider-redirect", |s, _| s.instead = Some(("/token", 307, String::new()))),
    ("a failure", "provider-failed", |s, _| s.instead = Some(("/token", 500, "oops".to_owned()))),
    ("a code that is used up", "code-refused", |s, _| s.instead = Some(("/token", 400, "{\"error\":\"invalid_grant\"}".to_owned()))),
    ("a server that is not known there", "client-refused", |s, _| s.instead = Some(("/token", 401, "{\"error\":\"invalid_client\"}".to_owned()))),
];

/// Lies in what the provider publishes.
#[rustfmt::skip]
const PUBLISHED: &[(&str, &str, Lie)] = &[
    ("another issuer", "provider-issuer", |s, _| s.discovery["issuer"] = json!("https://evil.example")),
    ("the issuer with a slash more", "provider-issuer", |s, _| s.discovery["issuer"] = json!(format!("{}/", s.issuer))),
    ("no issuer", "provider-answer-malformed", |s, _| drop(s.discovery.as_object_mut().unwrap().remove("issuer"))),
    ("a page", "provider-answer-malformed", |s, _| s.instead = Some(("/.well-known/openid-configuration", 200, "<html>".to_owned()))),
    ("nothing", "provider-failed", |s, _| s.instead = Some(("/.well-known/openid-configuration", 404, String::new()))),
    ("elsewhere", "provider-redirect", |s, _| s.instead = Some(("/.well-known/openid-configuration", 302, String::new()))),
    ("too much", "provider-answer-too-large", |s, _| s.discovery["pad"] = json!("x".repeat(1 << 20))),
    ("no address for tokens", "provider-answer-malformed", |s, _| drop(s.discovery.as_object_mut().unwrap().remove("token_endpoint"))),
    ("tokens over plain HTTP", "provider-endpoint", |s, _| s.discovery["token_endpoint"] = json!("http://evil.example/token")),
    ("keys over plain HTTP", "provider-endpoint", |s, _| s.discovery["jwks_uri"] = json!("http://evil.example/keys")),
    ("keys in a file", "provider-endpoint", |s, _| s.discovery["jwks_uri"] = json!("file:///etc/passwd")),
    ("a script to sign in with", "provider-endpoint", |s, _| s.discovery["authorization_endpoint"] = json!("javascript:alert(1)")),
    ("a user in an address", "provider-endpoint", |s, _| s.discovery["authorization_endpoint"] = json!("https://id.example@evil.example/")),
    ("userinfo over plain HTTP", "provider-endpoint", |s, _| s.discovery["userinfo_endpoint"] = json!("http://evil.example/me")),
    ("no code flow", "provider-flow", |s, _| s.discovery["response_types_supported"] = json!(["id_token"])),
    ("PKCE that is none", "provider-flow", |s, _| s.discovery["code_challenge_methods_supported"] = json!(["plain"])),
    ("only `none` and HS256", "provider-algorithms", |s, _| s.discovery["id_token_signing_alg_values_supported"] = json!(["none", "HS256"])),
    ("no keys", "provider-keys-empty", |s, _| s.keys = json!({"keys": []})),
    ("keys that are no list", "provider-answer-malformed", |s, _| s.keys = json!({"keys": {}})),
    ("no key set", "provider-answer-malformed", |s, _| s.keys = json!([])),
    ("a page instead of keys", "provider-answer-malformed", |s, _| s.instead = Some(("/keys", 200, "<html>".to_owned()))),
    ("elsewhere instead of keys", "provider-redirect", |s, _| s.instead = Some(("/keys", 302, String::new()))),
    ("keys without end", "provider-answer-too-large", |s, _| s.keys["pad"] = json!("x".repeat(1 << 20))),
    ("a private key", "provider-keys-private", |s, _| s.keys["keys"][0]["d"] = json!("AAAA")),
    ("two keys with one name", "provider-keys-ambiguous", |s, _| { let more = published(&ecdsa()); s.keys["keys"].as_array_mut().unwrap().push(more); }),
    ("a hundred and one keys", "provider-keys-too-many", |s, _| s.keys = json!({"keys": vec![json!({"kty": "x"}); 101]})),
    ("only a shared secret", "provider-keys-empty", |s, _| s.keys = json!({"keys": [{"kty": "oct", "k": "AAAA", "kid": "k"}]})),
    ("only a key for encryption", "provider-keys-empty", |s, _| s.keys["keys"][0]["use"] = json!("enc")),
    ("only a key that may not check", "provider-keys-empty", |s, _| s.keys["keys"][0]["key_ops"] = json!(["encrypt"])),
    ("only a key of an unknown curve", "provider-keys-empty", |s, _| s.keys["keys"][0]["crv"] = json!("P-192")),
    ("only a key that is too short", "provider-keys-empty", |s, _| s.keys["keys"][0]["x"] = json!("AAAA")),
    ("a key that is not on the curve", "id-token-signature", |s, _| s.keys["keys"][0]["x"] = json!(URL_SAFE_NO_PAD.encode([1; 32]))),
    ("a key that is for another algorithm", "id-token-key-mismatch", |s, _| { s.keys["keys"][0] = ed25519(); }),
    ("an RSA key of 512 bits", "id-token-signature", |s, _| { s.head["alg"] = json!("RS256"); s.keys["keys"][0] = json!({"kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode([0xff; 64]), "e": "AQAB"}); }),
    ("an RSA key with the exponent 1", "id-token-signature", |s, _| { s.head["alg"] = json!("RS256"); s.keys["keys"][0] = json!({"kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode([0xff; 256]), "e": "AQ"}); }),
    ("two keys, and a token that names none", "id-token-key", |s, _| { let mut more = published(&ecdsa()); more["kid"] = json!("l"); s.keys["keys"].as_array_mut().unwrap().push(more); drop(s.head.as_object_mut().unwrap().remove("kid")); }),
];

fn twice(script: &Script) -> String {
    let claims = script.claims.to_string();
    let body = claims.replacen('{', "{\"sub\":\"root\",", 1);
    let text = format!("{}.{}", encode(&script.head), URL_SAFE_NO_PAD.encode(body));
    let signed = URL_SAFE_NO_PAD.encode(signature(&script.key, &text));
    format!("{text}.{signed}")
}

fn ed25519() -> Value {
    let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x})
}

/// Tries one lie, and looks at what it left behind.
async fn refused(world: &World, script: &Shared, (name, wanted, lie): &(&str, &str, Lie)) {
    // The same refusal is on record once a minute.
    world.pass(chrono::TimeDelta::minutes(2));
    let before = rows(world).await;
    let (status, code, text) = attempt(world, script, lie).await;
    assert_eq!(code, *wanted, "{name}: {status} {text}");
    assert!(
        status >= 400 && status != 500 && !text.is_empty(),
        "{name}: {status} {text}"
    );
    assert_eq!(rows(world).await, before, "{name} left something behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_token_is_refused_and_leaves_only_its_event() {
    let script = provider().await;
    let world = world(&script).await;
    for case in TOKENS {
        refused(&world, &script, case).await;
    }
    let refusals = world.events(&["auth.refused"]).await;
    assert_eq!(refusals, [TOKENS.len()]);
    // The provider could tell the truth all the time.
    let (_, said, text) = attempt(&world, &script, |_, _| {}).await;
    assert_eq!(said, "signed in", "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_discovery_document_and_key_set_is_refused() {
    for case in PUBLISHED {
        // What a provider publishes is kept for a while, so each lie is told to a server that knows nothing yet.
        let script = provider().await;
        let world = world(&script).await;
        refused(&world, &script, case).await;
    }
    assert!(TOKENS.len() + PUBLISHED.len() >= 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unusual_and_honest_is_believed() {
    let honest: [(&str, Lie); 6] = [
        ("a clock that is 50 seconds behind", |s, now| {
            s.claims["exp"] = json!(now - 50);
            s.claims["iat"] = json!(now - 55);
        }),
        ("a clock that is 50 seconds ahead", |s, now| {
            s.claims["iat"] = json!(now + 50);
        }),
        ("several audiences and us as the party", |s, _| {
            s.claims["aud"] = json!(["portcullis", "somebody"]);
            s.claims["azp"] = json!("portcullis");
        }),
        ("one key and no name for it", |s, _| {
            s.head = json!({"alg": "ES256"});
        }),
        ("fractions of seconds", |s, now| {
            s.claims["iat"] = json!(f64::from(i32::try_from(now).unwrap()) + 0.25);
        }),
        ("groups at the userinfo endpoint", |s, _| {
            let claims: &mut Map<String, Value> = s.claims.as_object_mut().unwrap();
            claims.remove("groups");
        }),
    ];
    let script = provider().await;
    let world = world(&script).await;
    for (name, lie) in honest {
        let (_, said, text) = attempt(&world, &script, lie).await;
        assert_eq!(said, "signed in", "{name}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_that_differs_in_capitals_or_spaces_is_nobody_new() {
    let script = provider().await;
    let world = world(&script).await;
    let as_subject = async |subject: &str, name: &str| {
        let lie = |s: &mut Script, _: i64| {
            s.claims["sub"] = json!(subject);
            s.claims["preferred_username"] = json!(name);
        };
        attempt(&world, &script, lie).await.1
    };
    assert_eq!(as_subject("Ada-1", "ada").await, "signed in");
    for (nth, subject) in ["ada-1", "ADA-1", " Ada-1", "Ada-1 ", "A d a-1"]
        .iter()
        .enumerate()
    {
        let name = format!("twin{nth}");
        assert_eq!(
            as_subject(subject, &name).await,
            "subject-alike",
            "{subject:?}"
        );
    }
    assert_eq!(rows(&world).await[1], 1);
    assert_eq!(
        as_subject("Ada-1", "whatever").await,
        "signed in",
        "herself again"
    );
    assert_eq!(as_subject("Ada-2", "ben").await, "signed in");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_provider_at_all_is_said_plainly() {
    let script = provider().await;
    let world = world(&script).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let token_endpoint = format!("http://{address}/token");
    let lie = |s: &mut Script, _: i64| s.discovery["token_endpoint"] = json!(token_endpoint);
    let (status, code, _) = attempt(&world, &script, lie).await;
    assert_eq!((status, code.as_str()), (502, "provider-unreachable"));
}
