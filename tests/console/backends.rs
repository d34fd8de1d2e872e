//! Several servers: the header says where one is, and going to another leaves nothing of the first.

use portcullis::config::{Backend, Environment};
use portcullis::console::app::Settings;
use portcullis::console::msg::{Effect, Msg, Query};

use super::desk::Desk;

fn backends(settings: &mut Settings) {
    let backend = |name: &str, environment, readonly| Backend {
        name: name.to_owned(),
        url: format!("https://{name}.example.net"),
        environment: Some(environment),
        readonly,
    };
    settings.backends = vec![
        backend("eu-1", Environment::Production, false),
        backend("us-2", Environment::Staging, true),
        backend("lab", Environment::Development, false),
    ];
    settings.backend = Some("eu-1".to_owned());
}

#[test]
fn the_header_says_where_one_is_in_a_word() {
    let mut desk = Desk::settled(120, 40, backends);
    assert!(desk.screen().contains("[PROD eu-1]"), "{}", desk.screen());
    desk.keys(":");
    desk.type_in("backend ");
    insta::assert_snapshot!("backends_120x40", desk.screen());
}

#[test]
fn another_server_begins_with_nothing_of_the_first() {
    let mut desk = Desk::settled(120, 40, backends);
    desk.keys("2 :");
    desk.type_in("backend us");
    desk.answers = false;
    desk.effects.clear();
    desk.keys("Enter");
    let wanted = [
        Effect::Switch(Some("us-2".to_owned())),
        Effect::Connect,
        Effect::Fetch(Query::Me),
    ];
    assert_eq!(desk.effects[..3], wanted);
    let screen = desk.screen();
    assert!(screen.contains("[STAGING us-2] "), "{screen}");
    assert!(
        !screen.contains("carol") && !screen.contains("alice"),
        "{screen}"
    );
    assert_eq!(desk.app.world().store.requests().count(), 0);
    assert!(desk.app.world().readonly, "this one is read-only");
}

#[test]
fn a_flag_wins_over_what_a_backend_says() {
    for (flag, readonly) in [(None, true), (Some(false), false), (Some(true), true)] {
        let mut desk = Desk::settled(120, 40, |settings| {
            backends(settings);
            settings.readonly_flag = flag;
            settings.readonly = flag.unwrap_or(false);
        });
        desk.keys(":");
        desk.type_in("backend us-2");
        desk.keys("Enter");
        assert_eq!(desk.app.world().readonly, readonly, "{flag:?}");
    }
}

#[test]
fn nobody_leaves_a_server_while_a_change_is_not_answered() {
    let mut desk = Desk::settled(120, 40, backends);
    desk.keys("a");
    desk.read_it();
    desk.keys("y");
    assert_eq!(desk.changes().len(), 1);
    desk.keys(":");
    desk.type_in("backend lab");
    desk.effects.clear();
    desk.keys("Enter");
    assert!(
        !desk
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Switch(_)))
    );
    assert!(
        desk.screen().contains("not answered yet"),
        "{}",
        desk.screen()
    );
}

#[test]
fn the_server_in_use_cannot_be_chosen_again() {
    let mut desk = Desk::settled(120, 40, backends);
    desk.keys(":");
    desk.type_in("backend eu-1");
    desk.keys("Enter");
    assert!(desk.app.overlay().is_some());
    desk.send(Msg::Tick);
    assert!(desk.screen().contains("this is `eu-1`"));
}
