// The identity provider of the tests: an independent implementation of OpenID Connect, with people that tests change.
// Usage: node server.mjs ALG; prints the issuer. `PUT /people/SUB` with {name, groups, amr, acr} adds or changes
// somebody, `DELETE /people/SUB` removes them. Settings that tests look at are in the clients below.
import { generateKeyPairSync } from "node:crypto";
import http from "node:http";
import Provider from "oidc-provider";

const alg = process.argv[2] ?? "RS256";
const people = new Map();
const kinds = [["rsa", { modulusLength: 2048 }], ["ec", { namedCurve: "P-256" }], ["ed25519", {}]];
const keys = kinds.map(([kind, options], n) => ({
  ...generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" }), kid: `key-${n}`, use: "sig",
}));
const server = http.createServer();
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const client = {
  client_id: "portcullis",
  client_secret: "a secret: with / odd % letters+",
  application_type: "native",
  redirect_uris: ["http://127.0.0.1/signed-in"],
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  id_token_signed_response_alg: alg,
};

const account = (ctx, sub) => {
  const person = people.get(sub);
  return person && {
    accountId: sub,
    claims: () => ({ sub, preferred_username: person.name, groups: person.groups, email: person.email }),
  };
};

const provider = new Provider(issuer, {
  clients: [client],
  jwks: { keys },
  findAccount: account,
  claims: {
    openid: ["sub", "acr", "amr", "auth_time"],
    profile: ["preferred_username"],
    groups: ["groups"],
    email: ["email"],
  },
  scopes: ["openid", "offline_access", "profile", "groups", "email"],
  acrValues: ["urn:test:mfa"],
  features: { devInteractions: { enabled: false } },
  enabledJWA: { idTokenSigningAlgValues: ["RS256", "PS256", "ES256", "EdDSA"] },
  pkce: { required: () => true, methods: ["S256"] },
  rotateRefreshToken: true,
  ttl: { AccessToken: 60, IdToken: 600, RefreshToken: 3600, Session: 600, Interaction: 600, Grant: 3600 },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  cookies: { keys: ["for tests only"] },
});

const page = (body) => `<!doctype html><html lang="en"><title>Test provider</title><body>${body}</body></html>`;
const read = async (req) => {
  let text = "";
  for await (const chunk of req) text += chunk;
  return text;
};

async function consent(details) {
  const { grantId, params, prompt, session } = details;
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (prompt.details.missingOIDCScope) grant.addOIDCScope(prompt.details.missingOIDCScope.join(" "));
  if (prompt.details.missingOIDCClaims) grant.addOIDCClaims(prompt.details.missingOIDCClaims);
  return { consent: { grantId: await grant.save() } };
}

async function interact(req, res) {
  const details = await provider.interactionDetails(req, res);
  if (req.method === "GET") {
    const question = details.prompt.name === "login"
      ? '<h1>Who are you?</h1><label>Name <input name="login" autofocus></label><button id="go">Sign in</button>'
      : '<h1>Let Portcullis know who you are?</h1><button id="go">Allow</button>';
    res.setHeader("content-type", "text/html");
    res.end(page(`<form method="post">${question}<button name="no" value="1" id="no">Cancel</button></form>`));
    return;
  }
  const form = new URLSearchParams(await read(req));
  let result;
  if (form.get("no")) {
    result = { error: "access_denied", error_description: "<b>the person said no</b>" };
  } else if (details.prompt.name === "login") {
    const person = people.get(form.get("login")) ?? {};
    result = { login: { accountId: form.get("login"), amr: person.amr ?? ["pwd"], acr: person.acr ?? undefined } };
  } else {
    result = await consent(details);
  }
  await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: !result.error });
}

server.on("request", async (req, res) => {
  const [, folder, name] = new URL(req.url, issuer).pathname.split("/");
  try {
    if (folder === "interaction") return await interact(req, res);
    if (folder === "people") {
      if (req.method === "DELETE") people.delete(name);
      else people.set(name, JSON.parse(await read(req)));
      return res.end();
    }
  } catch (error) {
    res.statusCode = 500;
    return res.end(String(error?.stack ?? error));
  }
  return provider.callback()(req, res);
});
console.log(`issuer ${issuer}`);
