//! Calls to servers that break the connection, send the caller elsewhere, or are something else.

use std::sync::{Arc, Mutex};

use portcullis::client::{Channel, Client, ClientError, IdempotencyKey, Session};
use portcullis::wire::{Denial, Me, Tokens};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What happens to each connection in turn; the last one happens to all that follow.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// The call is read, and the connection closed.
    Dropped,
    Answered(&'static str),
}

const FAULT: &str = "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 5\r\nconnection: close\r\n\r\n<html";
const ELSEWHERE: &str = "HTTP/1.1 307 Temporary Redirect\r\nlocation: https://evil.example/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

/// A server with these fates, a client that is signed in, and the calls as they arrived.
async fn server(fates: &'static [Fate]) -> (Client, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&calls);
    tokio::spawn(async move {
        let mut turn = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let fate = fates[turn.min(fates.len() - 1)];
            turn += 1;
            let call = answer(stream, fate).await;
            heard.lock().unwrap().push(call);
        }
    });
    let session = Session::in_memory(&url.parse().unwrap());
    session.store(&tokens()).await.unwrap();
    (Client::new(session, Channel::Api).unwrap(), calls)
}

async fn answer(mut stream: TcpStream, fate: Fate) -> String {
    let mut call = Vec::new();
    let mut piece = [0; 4096];
    // A call of these tests is complete with its body, or with the empty line when it has none.
    loop {
        let read = stream.read(&mut piece).await.unwrap_or(0);
        call.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&call);
        let complete = text
            .split_once("\r\n\r\n")
            .is_some_and(|(head, body)| !head.contains("content-length") || body.ends_with('}'));
        if read == 0 || complete {
            break;
        }
    }
    if let Fate::Answered(text) = fate {
        let _ = stream.write_all(text.as_bytes()).await;
    }
    String::from_utf8(call).unwrap()
}

fn tokens() -> Tokens {
    let at = chrono::DateTime::UNIX_EPOCH;
    let me = Me {
        id: "P-0000000000".to_owned(),
        name: "ada".to_owned(),
        roles: Vec::new(),
        groups: Vec::new(),
        sign_in: "S-0000000000".to_owned(),
        how: None,
        server: "test".to_owned(),
        now: at,
    };
    Tokens {
        access_token: "pcl_at_secret".to_owned(),
        access_expires_at: at,
        refresh_token: "pcl_rt_secret".to_owned(),
        refresh_expires_at: at,
        me,
    }
}

fn header(call: &str, name: &str) -> Option<String> {
    let lines = call.lines().filter_map(|line| line.split_once(": "));
    lines
        .filter(|(is, _)| is.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_owned())
        .next()
}

#[tokio::test]
async fn a_change_is_sent_again_only_with_its_own_key() {
    let (client, calls) = server(&[Fate::Dropped, Fate::Answered(NO_CONTENT)]).await;
    let key = IdempotencyKey::new().unwrap();
    client.revoke_sign_in("S-0000000000", &key).await.unwrap();
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 2);
    for call in calls.iter() {
        assert_eq!(
            header(call, "idempotency-key").as_deref(),
            Some(key.as_str())
        );
        assert_eq!(header(call, "portcullis-channel").as_deref(), Some("api"));
    }
}

#[tokio::test]
async fn a_change_whose_answer_never_comes_is_not_called_undone() {
    let (client, calls) = server(&[Fate::Dropped]).await;
    let denial = Denial {
        comment: "not today".to_owned(),
    };
    let key = IdempotencyKey::new().unwrap();
    let error = client
        .deny("R-0000000000", 7, &denial, &key)
        .await
        .unwrap_err();
    assert_eq!(error, ClientError::OutcomeUnknown);
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 3);
    assert_eq!(header(&calls[0], "if-match").as_deref(), Some("\"7\""));
}

#[tokio::test]
async fn a_call_without_a_key_is_not_sent_twice() {
    let (client, calls) = server(&[Fate::Dropped]).await;
    let error = client.sign_in("code", None, None).await.unwrap_err();
    assert_eq!(error, ClientError::OutcomeUnknown);
    assert_eq!(calls.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_proxy_page_is_not_believed() {
    for fate in [&[Fate::Answered(ELSEWHERE)], &[Fate::Answered(FAULT)]] {
        let (client, calls) = server(fate).await;
        let error = client.me().await.unwrap_err();
        assert!(matches!(error, ClientError::BadReply { .. }), "{error:?}");
        assert_eq!(calls.lock().unwrap().len(), 1);
    }
}
