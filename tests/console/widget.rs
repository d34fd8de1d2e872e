//! Widgets, drawn into buffers and told what happens.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyModifiers};
use portcullis::console::term::caps::{Charset, Depth};
use portcullis::console::term::input::Key;
use portcullis::console::theme::{Role, Theme};
use portcullis::console::widget::frame::{Regions, Shape};
use portcullis::console::widget::input::{Completion, Edited, Line};
use portcullis::console::widget::order::{Order, scroll};
use portcullis::console::widget::status::Bar;
use portcullis::console::widget::toast::{Level, Toasts};
use portcullis::console::widget::vtable::{Column, Cut, Row, Table, Width};
use portcullis::text::clean;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

fn theme() -> Theme {
    Theme::shipped("portcullis-dark", Depth::TrueColor, Charset::Ascii).unwrap()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    (0..buffer.area.height)
        .map(|y| {
            (0..buffer.area.width)
                .map(|x| buffer[(x, y)].symbol())
                .collect::<String>()
                .trim_end()
                .to_owned()
        })
        .collect()
}

const COLUMNS: &[Column] = &[
    Column {
        title: "ID",
        width: Width::Fixed(6),
        cut: Cut::End,
        optional: false,
    },
    Column {
        title: "TARGET",
        width: Width::Flex { min: 8, share: 1 },
        cut: Cut::Middle,
        optional: false,
    },
    Column {
        title: "REASON",
        width: Width::Flex { min: 8, share: 2 },
        cut: Cut::End,
        optional: true,
    },
    Column {
        title: "LEFT",
        width: Width::Fixed(5),
        cut: Cut::Right,
        optional: false,
    },
];

fn row(index: usize) -> Row {
    let cells = [
        format!("R-{index}"),
        "k8s/prod-eu-1/ledger".to_owned(),
        "rotate\nsecret".to_owned(),
        "4:59".to_owned(),
    ];
    Row {
        cells: cells
            .iter()
            .map(|text| (clean(text), Style::new()))
            .collect(),
        marked: index == 8,
        gone: index == 9,
        note: (index == 9).then(|| clean("denied by bob")),
    }
}

#[test]
fn a_table_draws_the_rows_in_sight_and_asks_for_no_other() {
    let theme = theme();
    let mut buffer = Buffer::empty(Rect::new(0, 0, 50, 5));
    let table = Table {
        theme: &theme,
        columns: COLUMNS,
        rows: 1_000_000,
        top: 7,
        selected: Some(8),
        cell: None,
        sorted: None,
    };
    let mut asked = Vec::new();
    let drawn = table.draw(buffer.area, &mut buffer, |index| {
        asked.push(index);
        row(index)
    });
    assert_eq!(asked, [7, 8, 9, 10]);
    assert_eq!(
        lines(&buffer),
        [
            "   ID     TARGET        REASON                LEFT",
            "   R-7    k8s/pr~ledger rotate⏎secret         4:59",
            ">* R-8    k8s/pr~ledger rotate⏎secret         4:59",
            " - R-9    k8s/pr~ledger rotate⏎secr denied by bob",
            "   R-10   k8s/pr~ledger rotate⏎secret         4:59",
        ]
    );
    assert_eq!(drawn.cursor, Some(Position::new(0, 2)));
    assert_eq!(drawn.row_at(Position::new(30, 4)), Some(10));
    assert_eq!(drawn.row_at(Position::new(30, 0)), None);
    assert_eq!(Some(buffer[(20, 2)].bg), theme.style(Role::Selection).bg);
    assert!(buffer[(4, 3)].modifier.contains(Modifier::CROSSED_OUT));
}

#[test]
fn a_narrow_table_leaves_out_what_is_optional() {
    let theme = theme();
    let mut buffer = Buffer::empty(Rect::new(0, 0, 26, 2));
    let table = Table {
        theme: &theme,
        columns: COLUMNS,
        rows: 1,
        top: 0,
        selected: None,
        cell: None,
        sorted: None,
    };
    table.draw(buffer.area, &mut buffer, row);
    assert_eq!(
        lines(&buffer),
        ["   ID     TARGET      LEFT", "   R-0    k8s/p~dger  4:59"]
    );
}

proptest! {
    #[test]
    fn a_table_fits_wherever_it_is_put(width in 0_u16..70, height in 0_u16..6, rows in 0_usize..20, top in 0_usize..20) {
        let theme = theme();
        let mut buffer = Buffer::empty(Rect::new(0, 0, 60, 5));
        let table = Table { theme: &theme, columns: COLUMNS, rows, top, selected: Some(top), cell: None, sorted: None };
        let area = Rect::new(3, 1, width, height);
        let drawn = table.draw(area, &mut buffer, row);
        prop_assert!(drawn.count <= rows.saturating_sub(top));
        for (index, cell) in buffer.content.iter().enumerate() {
            let (x, y) = buffer.pos_of(index);
            prop_assert!(area.contains(Position::new(x, y)) || cell.symbol() == " ", "drew at {},{}", x, y);
        }
    }

    #[test]
    fn the_selected_row_is_always_in_sight(top in 0_usize..99, selected in 0_usize..50, more in 1_usize..50, height in 1_usize..30) {
        let rows = selected + more;
        let top = scroll(top, selected, rows, height);
        prop_assert!(top <= selected && selected < top + height);
        prop_assert!(top + height <= rows.max(height));
        prop_assert_eq!(scroll(top, selected, rows, height), top, "it would move again");
    }
}

fn ids(order: &Order<u32>) -> Vec<u32> {
    order.rows().iter().map(|row| row.id).collect()
}

#[test]
fn new_rows_wait_and_vanished_rows_stay_until_left() {
    let mut order = Order::default();
    order.update(vec![1, 2, 3]);
    order.step(1);
    assert_eq!(order.target(), Some(&2));
    order.update(vec![9, 3, 1]);
    assert_eq!(ids(&order), [1, 2, 3]);
    assert_eq!(order.waiting(), 1);
    assert_eq!(
        order.selected().map(|row| (row.id, row.gone)),
        Some((2, true))
    );
    assert_eq!(order.target(), None);
    order.step(1);
    assert_eq!((ids(&order), order.target()), (vec![1, 3], Some(&3)));
    order.sort_again();
    assert_eq!(
        (ids(&order), order.target(), order.waiting()),
        (vec![9, 3, 1], Some(&3), 0)
    );
}

#[test]
fn a_mark_does_not_survive_its_row() {
    let mut order = Order::default();
    order.update(vec![1, 2, 3]);
    order.mark_all();
    order.update(vec![1, 3]);
    order.update(vec![1, 2, 3]);
    assert_eq!(order.marked(), [1, 3]);
    order.toggle_mark();
    assert_eq!(order.marked(), [3]);
    order.clear_marks();
    order.mark_range(2, 1);
    assert_eq!(order.marked(), [2, 3]);
}

#[test]
fn a_row_that_comes_back_lives_again_in_its_place() {
    let mut order = Order::default();
    order.update(vec![1, 2]);
    order.update(vec![1]);
    order.update(vec![2, 1]);
    assert_eq!(ids(&order), [1, 2]);
    assert!(order.rows().iter().all(|row| !row.gone));
}

#[test]
fn sorting_again_without_the_selected_row_selects_the_one_in_its_place() {
    let mut order = Order::default();
    order.update(vec![1, 2, 3]);
    order.select(&2);
    order.update(vec![3, 1]);
    order.sort_again();
    assert_eq!(order.target(), Some(&1));
    order.update(vec![]);
    order.sort_again();
    assert_eq!(order.target(), None);
    order.update(vec![5]);
    assert_eq!(order.target(), Some(&5));
}

#[derive(Debug, Clone)]
enum Step {
    Update(Vec<u32>),
    Move(isize),
    Mark,
    MarkAll,
    Sort,
}

fn step() -> impl Strategy<Value = Step> {
    let wanted =
        prop::collection::hash_set(0_u32..12, 0..10).prop_map(|ids| ids.into_iter().collect());
    prop_oneof![
        4 => Just(wanted).prop_flat_map(|wanted| wanted).prop_map(Step::Update),
        4 => (-3_isize..4).prop_map(Step::Move),
        1 => Just(Step::Mark),
        1 => Just(Step::MarkAll),
        1 => Just(Step::Sort),
    ]
}

proptest! {
    #[test]
    fn rows_never_move_under_the_cursor(steps in prop::collection::vec(step(), 1..40)) {
        let mut order: Order<u32> = Order::default();
        let mut present: HashSet<u32> = HashSet::new();
        for step in steps {
            let (before, selected, marked) = (ids(&order), order.selected().copied(), order.marked());
            match step {
                Step::Update(wanted) => {
                    present = wanted.iter().copied().collect();
                    order.update(wanted);
                    if !before.is_empty() {
                        prop_assert_eq!(ids(&order), before, "an update moved rows");
                        prop_assert_eq!(order.selected().map(|row| row.id), selected.map(|row| row.id));
                    }
                }
                Step::Move(by) => {
                    order.step(by);
                    let left = selected.filter(|row| row.gone && order.selected().map(|now| now.id) != Some(row.id));
                    let expected: Vec<u32> = before.into_iter().filter(|id| Some(*id) != left.map(|row| row.id)).collect();
                    prop_assert_eq!(ids(&order), expected, "a move did more than drop the dead row it left");
                }
                Step::Mark => order.toggle_mark(),
                Step::MarkAll => order.mark_all(),
                Step::Sort => {
                    order.sort_again();
                    prop_assert_eq!(order.waiting(), 0);
                    prop_assert!(order.rows().iter().all(|row| !row.gone));
                }
            }
            let shown: HashSet<u32> = ids(&order).into_iter().collect();
            prop_assert_eq!(shown.len(), order.rows().len(), "a row is shown twice");
            prop_assert_eq!(order.waiting(), present.difference(&shown).count());
            prop_assert_eq!(order.rows().is_empty(), order.selected().is_none());
            prop_assert!(order.rows().iter().all(|row| row.gone != present.contains(&row.id)));
            prop_assert!(order.marked().iter().all(|id| present.contains(id)));
            prop_assert!(order.target().is_none_or(|id| present.contains(id)), "a dead row can be acted on");
            let _ = marked;
        }
    }
}

fn key(code: KeyCode) -> Key {
    Key::press(code, KeyModifiers::NONE)
}

fn ctrl(c: char) -> Key {
    Key::press(KeyCode::Char(c), KeyModifiers::CONTROL)
}

#[test]
fn a_line_is_edited_with_the_keys_of_a_shell() {
    let mut line = Line::new(40);
    for c in "user:bob env:prd".chars() {
        assert_eq!(line.key(key(KeyCode::Char(c))), Edited::Changed);
    }
    line.key(key(KeyCode::Left));
    line.key(key(KeyCode::Char('o')));
    assert_eq!(line.text(), "user:bob env:prod");
    assert_eq!(line.key(ctrl('a')), Edited::Same);
    assert_eq!(line.cursor(), 0);
    line.key(ctrl('e'));
    line.key(ctrl('w'));
    assert_eq!(line.text(), "user:bob ");
    line.key(ctrl('u'));
    assert_eq!(line.text(), "");
    assert_eq!(line.key(key(KeyCode::Enter)), Edited::Unused);
    assert_eq!(line.key(key(KeyCode::Esc)), Edited::Unused);
    assert_eq!(line.key(ctrl('p')), Edited::Unused);
}

#[test]
fn pasted_text_stays_one_line_within_its_limit() {
    let mut line = Line::new(8);
    line.paste("ab\ncd\x1b[31mef");
    assert_eq!(line.text(), "ab cd [3");
    assert_eq!(line.key(key(KeyCode::Char('x'))), Edited::Same);
    line.set("y\ry");
    assert_eq!(line.text(), "y y");
}

#[test]
fn a_completion_replaces_what_it_completes() {
    let mut line = Line::new(40);
    line.set("out env:prod");
    for _ in 0.." env:prod".len() {
        line.key(key(KeyCode::Left));
    }
    let known = line.complete(|text, cursor| {
        assert_eq!((text, cursor), ("out env:prod", 3));
        Some(Completion {
            from: 0,
            to: 3,
            text: "outcome:".to_owned(),
        })
    });
    assert!(known);
    assert_eq!((line.text(), line.cursor()), ("outcome: env:prod", 8));
    assert!(!line.complete(|_, _| None));
}

#[test]
fn a_long_line_is_drawn_around_its_cursor_and_shows_what_is_hidden_in_it() {
    let mut line = Line::new(80);
    line.set("a\u{202e}b");
    let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
    assert_eq!(
        line.draw(buffer.area, &mut buffer, Style::new()),
        Position::new(10, 0)
    );
    assert_eq!(lines(&buffer), ["a‹U+202E›b"]);
    line.set("0123456789abcdef");
    let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
    assert_eq!(
        line.draw(buffer.area, &mut buffer, Style::new()),
        Position::new(11, 0)
    );
    assert_eq!(lines(&buffer), ["56789abcdef"]);
}

#[test]
fn equal_messages_are_counted_and_only_errors_stay() {
    let now = Instant::now();
    let mut toasts = Toasts::default();
    for _ in 0..3 {
        toasts.push(Level::Info, clean("resynced"), now);
    }
    toasts.push(Level::Error, clean("no connection"), now);
    toasts.push(Level::Warn, clean("clock is off"), now);
    toasts.push(Level::Success, clean("revoked G-7"), now);
    let texts: Vec<&str> = toasts
        .shown()
        .iter()
        .map(|toast| toast.text.as_str())
        .collect();
    assert_eq!(texts, ["no connection", "clock is off", "revoked G-7"]);
    assert_eq!(toasts.next_change(), Some(now + Duration::from_secs(4)));
    assert!(toasts.expire(now + Duration::from_secs(8)));
    assert_eq!(toasts.shown().len(), 1);
    assert_eq!(toasts.next_change(), None);
    assert!(toasts.dismiss());
    assert!(!toasts.dismiss());
}

#[test]
fn messages_do_not_cover_the_selected_row() {
    let now = Instant::now();
    let theme = theme();
    let mut toasts = Toasts::default();
    toasts.push(Level::Info, clean("resynced"), now);
    toasts.push(Level::Info, clean("resynced"), now);
    toasts.push(Level::Error, clean("not sent"), now);
    let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 4));
    toasts.draw(buffer.area, &mut buffer, &theme, None);
    assert_eq!(
        lines(&buffer),
        ["", "", "      i resynced x2", "         x not sent"]
    );
    let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 4));
    toasts.draw(buffer.area, &mut buffer, &theme, Some(3));
    assert_eq!(
        lines(&buffer),
        ["      i resynced x2", "         x not sent", "", ""]
    );
}

#[test]
fn the_right_half_of_a_bar_is_whole_and_the_left_is_cut() {
    let bar = Bar::new()
        .left(clean("Portcullis"), Style::new())
        .left(clean(" maya.s approver"), Style::new())
        .right(clean("LIVE "), Style::new())
        .right(clean("03:12:09Z"), Style::new());
    let draw = |width| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, 1));
        let places = bar.draw(buffer.area, &mut buffer, "~");
        (lines(&buffer).remove(0), places)
    };
    assert_eq!(
        draw(50).0,
        "Portcullis maya.s approver          LIVE 03:12:09Z"
    );
    let (line, places) = draw(32);
    assert_eq!(line, "Portcullis maya.~ LIVE 03:12:09Z");
    assert_eq!(places[0], Rect::new(0, 0, 10, 1));
    assert_eq!(draw(8).0, "Portcul~");
}

#[test]
fn the_window_is_divided_by_its_size() {
    let shape = |width, height| Regions::of(Rect::new(0, 0, width, height)).shape;
    assert_eq!(shape(79, 24), Shape::TooSmall);
    assert_eq!(shape(80, 19), Shape::TooSmall);
    assert_eq!(shape(80, 24), Shape::Narrow);
    assert_eq!(shape(100, 24), Shape::Stacked);
    assert_eq!(shape(160, 24), Shape::Beside);
}

proptest! {
    #[test]
    fn the_parts_of_the_window_never_overlap_nor_leave_it(width in 0_u16..250, height in 0_u16..80) {
        let window = Rect::new(0, 0, width, height);
        let regions = Regions::of(window);
        let (list, detail) = regions.panes();
        let parts = [regions.header, regions.tabs, list, detail, regions.status, regions.hints];
        for (index, part) in parts.iter().enumerate() {
            prop_assert_eq!(part.intersection(window).area(), part.area(), "{} leaves the window", index);
            for other in &parts[index + 1..] {
                prop_assert_eq!(part.intersection(*other).area(), 0);
            }
        }
        if regions.shape != Shape::TooSmall {
            prop_assert_eq!(parts.iter().map(|part| part.area()).sum::<u32>(), window.area());
        }
    }
}
