//! Every kind of secret, through everything that people do with it rightly and wrongly.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use portcullis::secret::STEP_SECONDS;

use super::{Canaries, Places, files, hits, leaks, process_of};
use crate::support::authenticator::Phone;
use crate::support::node::{Node, orders_db};
use crate::support::postgres::{Cluster, PASSWORD, SUPERUSER};
use crate::support::world::{CATALOGUE, POLICY};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_in_no_log_no_audit_no_error_and_no_database() {
    let catalogue = format!("[server]\nlog = \"trace\"\n{CATALOGUE}");
    let mut node = Node::prepare(&catalogue, POLICY);
    node.start();
    let mut canaries = vec![node.bootstrap_code()];
    node.sign_in_root();
    let invite = [
        "token",
        "invite",
        "ada",
        "--role",
        "requester",
        "--group",
        "engineers",
    ];
    let code = node.json("root", &invite)["code"]
        .as_str()
        .unwrap()
        .to_owned();
    node.said("ada", &["login", "--code", &code]);
    canaries.push(code.clone());
    let create = [
        "service-account",
        "create",
        "bot",
        "--owner",
        "ada",
        "--scope",
        "read",
    ];
    let token = node.json("root", &create)["token"]
        .as_str()
        .unwrap()
        .to_owned();
    canaries.push(token.clone());
    // What people get wrong is where secrets usually leak: used codes, one kind for another, broken ones.
    let mut errors = Vec::new();
    let (cut, _) = token.split_at(token.len() - 1);
    for (who, arguments, machine) in [
        ("eve", vec!["login", "--code", code.as_str()], None),
        ("eve", vec!["login", "--code", token.as_str()], None),
        ("eve", vec!["whoami"], Some(cut)),
        ("eve", vec!["whoami", "--json"], Some(code.as_str())),
        ("eve", vec!["approve", "R-0000000001"], Some(token.as_str())),
        ("eve", vec!["requests"], Some(token.as_str())),
    ] {
        let mut command = node.command(who, &arguments);
        if let Some(token) = machine {
            command.env("PORTCULLIS_TOKEN", token);
        }
        let output = command.output().unwrap();
        errors.extend(output.stdout);
        errors.extend(output.stderr);
    }
    for who in ["root", "ada"] {
        for path in files(&node.home(who)) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if path.extension().is_some_and(|is| is == "key") {
                canaries.push(text.trim().to_owned());
            } else if let Ok(stored) = serde_json::from_str::<serde_json::Value>(&text) {
                for name in ["access_token", "refresh_token"] {
                    canaries.extend(stored[name].as_str().map(ToOwned::to_owned));
                }
            }
        }
    }
    assert_eq!(canaries.len(), 3 + 2 * 3, "all of them are looked for");
    let audit = node.said("root", &["audit", "--json"]);
    node.kill();
    let mut places: Vec<(String, Vec<u8>)> = vec![
        ("the audit".to_owned(), audit.into_bytes()),
        ("what commands said".to_owned(), errors),
    ];
    // The bootstrap code is printed for whoever starts the server, and only there.
    let log: Vec<String> = node
        .log()
        .lines()
        .filter(|line| !line.contains("portcullis login --server"))
        .map(ToOwned::to_owned)
        .collect();
    assert!(log.len() > 10, "the log is complete");
    places.push(("the log".to_owned(), log.join("\n").into_bytes()));
    for path in files(&node.folder().join("data")) {
        places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    for canary in &canaries {
        // The random part is what counts.
        let body = canary
            .rsplit_once('_')
            .map_or(canary.as_str(), |(body, _)| body);
        for (place, bytes) in &places {
            assert!(!hits(bytes, body), "{place} has a secret: {body}");
        }
    }
}

/// Adds an authenticator as a person does; gives its secret, the recovery codes, and a later code.
fn add_factor(node: &Node, who: &str) -> (String, Vec<String>, String) {
    let mut child = node
        .command(who, &["factor", "add", "totp", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let new: serde_json::Value = serde_json::from_str(&line).unwrap();
    let secret = new["secret"].as_str().unwrap().to_owned();
    let phone = Phone::scan(&secret);
    #[expect(
        clippy::disallowed_methods,
        reason = "the server's clock is that of this machine"
    )]
    let step = chrono::Utc::now().timestamp() / STEP_SECONDS;
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{}", phone.code(step)).unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
    let confirmed: serde_json::Value = serde_json::from_str(&rest).unwrap();
    let codes = confirmed["recovery_codes"].as_array().unwrap().iter();
    let codes = codes
        .map(|code| code.as_str().unwrap().to_owned())
        .collect();
    (secret, codes, phone.code(step + 1))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_of_any_kind_leaks_on_any_of_sixty_paths() {
    const PROVIDER: &str = "provider-canary-Xk42mWq9";
    const LOCAL: &str = "correct horse canary staple";
    let cluster = Cluster::start(&["log_statement=all", "log_min_messages=debug1"]);
    let (kept, orders) = (cluster.database().await, cluster.database().await);
    let mut node = Node::prepare("", POLICY);
    let target = orders_db(&cluster, &orders.name, &node.folder().join("password"));
    let store = PASSWORD.replace(' ', "%20");
    let catalogue = format!(
        "[server]\nlog = \"trace\"\ndatabase = \"postgres://{SUPERUSER}:{store}@{}:{}/{}?sslmode=disable\"\n\
         [identity]\nissuer = \"http://127.0.0.1:9/idp\"\nclient_id = \"portcullis\"\nclient_secret = \"{PROVIDER}\"\nallow_loopback = true\n\
         [local_accounts]\nbreak_glass = [\"root\", \"ada\"]\n{target}",
        cluster.host, cluster.port, kept.name
    );
    let config = node.folder().join("config/portcullis.toml");
    std::fs::write(&config, catalogue).unwrap();
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
    let (mut canaries, mut places) = (Canaries::default(), Places::default());
    canaries.plant("the client secret at the provider", PROVIDER);
    canaries.plant("the password of the databases", PASSWORD);
    canaries.plant("the same in an address", &store);
    node.start();
    canaries.plant("the first code", &node.bootstrap_code());
    node.sign_in_root();
    let mut codes = Vec::new();
    for (who, role) in [("ada", "requester"), ("bob", "reviewer")] {
        let group = if who == "ada" {
            "engineers"
        } else {
            "reviewers"
        };
        let invite = ["token", "invite", who, "--role", role, "--group", group];
        let code = node.json("root", &invite)["code"]
            .as_str()
            .unwrap()
            .to_owned();
        node.said(who, &["login", "--code", &code]);
        canaries.plant(&format!("the invitation of {who}"), &code);
        codes.push(code);
    }
    let create = [
        "service-account",
        "create",
        "bot",
        "--owner",
        "ada",
        "--scope",
        "read",
    ];
    let service = node.json("root", &create)["token"]
        .as_str()
        .unwrap()
        .to_owned();
    canaries.plant("the service token", &service);
    let rotated = node.json("root", &["service-account", "rotate", "bot"])["token"]
        .as_str()
        .unwrap()
        .to_owned();
    canaries.plant("the next service token", &rotated);

    // A local account with its password, second factor and recovery codes.
    canaries.plant("a password", LOCAL);
    assert_eq!(
        places.run(
            &node,
            "ada",
            &["account", "password"],
            &format!("{LOCAL}\n")
        ),
        0
    );
    let (secret, recovery, code) = add_factor(&node, "ada");
    canaries.plant("the secret of an authenticator", &secret);
    for code in &recovery {
        canaries.plant("a recovery code", code);
    }
    canaries.plant("a password that is wrong", "wrong horse canary staple");
    for (password, factor) in [
        ("wrong horse canary staple", code.as_str()),
        (LOCAL, "000000"),
        (LOCAL, recovery[0].as_str()),
    ] {
        let input = format!("{password}\n");
        places.run(
            &node,
            "ada2",
            &["login", "--user", "ada", "--totp", factor],
            &input,
        );
    }
    let (_, more, _) = add_factor(&node, "bob");
    for code in &more {
        canaries.plant("a recovery code", code);
    }

    // Access from the request to its end, with the credential in between.
    let reason = "INC-4127 consumer stuck";
    let ask = [
        "request",
        "orders-db",
        "readonly",
        "--for",
        "1h",
        "--reason",
        reason,
    ];
    let request = node.json("ada", &ask)["id"].as_str().unwrap().to_owned();
    places.run(&node, "bob", &["approve", &request, "--totp", &more[0]], "");
    places.run(
        &node,
        "bob",
        &["approve", &request, "--totp", &more[1], "--json"],
        "",
    );
    let wait = ["wait", &request];
    places.run(&node, "ada", &wait, "");
    let login = node.run("ada", &["connect", "orders-db", "--print"]);
    let login = String::from_utf8(login.stdout).unwrap();
    let password = login
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('@'));
    let password = password.and_then(|(user, _)| user.split_once(':'));
    if let Some((_, password)) = password {
        canaries.plant("the password of a grant", password);
    }
    for who in ["root", "ada", "bob"] {
        canaries.plant_home(who, &node.home(who));
    }

    // What people get wrong, one kind of secret for another, used up, cut short: that is where they leak.
    let (cut, _) = rotated.split_at(rotated.len() - 1);
    for arguments in [
        &["login", "--code", &codes[0]][..],
        &["login", "--code", &service],
        &["login", "--code", &recovery[1], "--json"],
        &[
            "whoami",
            "--server",
            &format!("http://{cut}@{}", node.address),
        ],
        &["approve", &codes[1]],
        &["sign-ins", "revoke", &codes[1]],
        &["service-account", "delete", &service],
        &["login", "--no-browser"],
    ] {
        places.run(&node, "eve", arguments, "");
    }
    for who in ["root", "ada", "bob"] {
        for arguments in [
            &["whoami"][..],
            &["whoami", "--json"],
            &["requests", "--json"],
            &["grants", "--json"],
            &["sessions", "--json"],
            &["sign-ins", "list", "--json"],
            &["factor", "list", "--json"],
            &["service-account", "list", "--json"],
            &["audit", "--json"],
            &["why", &request],
            &["config", "show"],
        ] {
            places.run(&node, who, arguments, "");
        }
    }
    let linear = "requests\ngrants\nsign-ins\nservices\nwhoami\nmessages\nstatus\nquit\n";
    places.run(&node, "root", &["console", "--linear"], linear);
    let pictures = node.folder().join("pictures");
    let taken = ["console", "--snapshot", pictures.to_str().unwrap()];
    places.run(&node, "root", &taken, "");
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    for (line, header, body) in [
        ("GET /healthz HTTP/1.1", String::new(), String::new()),
        ("GET /readyz HTTP/1.1", String::new(), String::new()),
        ("GET /metrics HTTP/1.1", bearer(&rotated), String::new()),
        ("GET /openapi.json HTTP/1.1", String::new(), String::new()),
        ("GET /v1/nowhere HTTP/1.1", bearer(&rotated), String::new()),
        ("GET /v1/me HTTP/1.1", bearer(&service), String::new()),
        ("GET /v1/me HTTP/1.1", bearer(&rotated), String::new()),
        ("GET /v1/me HTTP/1.1", bearer(cut), String::new()),
        ("GET /v1/sign-ins HTTP/1.1", bearer(&rotated), String::new()),
        (
            "POST /v1/sign-in HTTP/1.1",
            String::new(),
            format!("{{\"code\": \"{}\"", codes[0]),
        ),
        (
            "POST /v1/sign-in HTTP/1.1",
            String::new(),
            format!("{{\"code\": \"{}\", \"x\": 1}}", codes[0]),
        ),
        (
            "POST /v1/sign-in/password HTTP/1.1",
            String::new(),
            format!("{{\"name\": \"ada\", \"password\": \"{LOCAL}\", \"proof\": 7}}"),
        ),
        (
            "POST /v1/tokens/refresh HTTP/1.1",
            String::new(),
            format!("{{\"refresh_token\": \"{rotated}\"}}"),
        ),
        (
            "POST /v1/step-up HTTP/1.1",
            bearer(&rotated),
            format!(
                "{{\"digests\": [], \"proof\": {{\"kind\": \"recovery\", \"code\": \"{}\"}}}}",
                recovery[2]
            ),
        ),
    ] {
        let header = if header.is_empty() {
            String::new()
        } else {
            format!("\r\n{header}")
        };
        let head = format!("{line}{header}\r\nContent-Type: application/json");
        places.call(&node, &head, &body);
    }

    // What the machine itself can be asked about the process.
    let process = process_of(&node);
    for name in ["environ", "cmdline", "comm", "maps", "mountinfo"] {
        let bytes = std::fs::read(process.join(name)).unwrap();
        places.add(format!("/proc/PID/{name}"), bytes);
    }
    node.kill();
    // The first code is printed for whoever starts the server, and only there.
    let log: Vec<String> = node
        .log()
        .lines()
        .filter(|line| !line.contains("portcullis login --server"))
        .map(ToOwned::to_owned)
        .collect();
    assert!(log.len() > 100, "the log is complete");
    places.add("the log at trace", log.join("\n"));
    let databases = cluster.log();
    assert!(
        databases.contains("insert into"),
        "every statement is in it"
    );
    places.add("what PostgreSQL logs of store and target", databases);
    for path in files(&node.folder().join("data"))
        .into_iter()
        .chain(files(&pictures))
    {
        places.add(path.display().to_string(), std::fs::read(&path).unwrap());
    }
    cluster.stop();
    for path in files(&cluster.socket_dir.join("data/base")) {
        places.add(
            "a file of the store or the target",
            std::fs::read(&path).unwrap_or_default(),
        );
    }
    assert!(places.0.len() >= 60, "only {} places", places.0.len());
    assert!(canaries.0.len() > 30, "only {} secrets", canaries.0.len());
    let leaks = leaks(&canaries, &places);
    assert!(leaks.is_empty(), "{leaks:#?}");
}
