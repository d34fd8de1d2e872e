//! Text that tries to take over a terminal or to mislead its reader.

/// More than 400 attacks, built from every way to begin a sequence and everything worth doing with one.
pub(crate) fn corpus() -> Vec<String> {
    let mut all = Vec::new();
    let actions = [
        "31m", "0m", "2J", "H", "1;1H", "?1049l", "?25l", "?1000h", "?2004l", "6n", "c", ">c",
        "=c", "5i", "21t", "20t", "14t", "8;1;1t", "3J", "1P", "99999b", "?2026h", ">1u", "!p",
        "r", "s", "u", "4h", "?7l", "100A",
    ];
    for begin in ["\x1b[", "\u{9b}"] {
        all.extend(actions.map(|action| format!("a{begin}{action}b")));
    }
    let commands = [
        "0;owned",
        "2;owned",
        "52;c;b3duZWQ=",
        "52;c;?",
        "8;;https://evil.example",
        "10;?",
        "11;?",
        "4;1;?",
        "9;approve now",
        "777;notify;a;b",
        "99;;x",
        "1337;File=inline=1:AAAA",
        "133;A",
        "7;file://x/",
        "12;red",
        "104",
        "50;x",
        "110",
    ];
    let strings = [
        "q#0;2;0;0;0",
        "+q544e",
        "$q m",
        "tmux;\x1b[31m",
        "1$r0m",
        ">|x",
        "Ga=q;AAAA",
        "text",
    ];
    for end in ["\x07", "\x1b\\", "\u{9c}", ""] {
        for begin in ["\x1b]", "\u{9d}"] {
            all.extend(commands.map(|command| format!("a{begin}{command}{end}b")));
        }
        for begin in [
            "\x1bP", "\u{90}", "\x1b_", "\u{9f}", "\x1b^", "\u{9e}", "\x1bX", "\u{98}",
        ] {
            all.extend(strings.map(|string| format!("a{begin}{string}{end}b")));
        }
    }
    for c in (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32) {
        all.push(format!("ok{c}APPROVED by root"));
    }
    let invisible = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{180b}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\
        \u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\u{2061}\u{2062}\u{2063}\u{2064}\u{2066}\u{2067}\
        \u{2068}\u{2069}\u{206a}\u{206f}\u{3164}\u{fe00}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{fffb}\u{1d173}\u{e0001}\
        \u{e0041}\u{e007f}\u{e0100}\u{e01ef}\u{110bd}\u{13430}\u{1bca0}\u{e000}\u{f0000}\u{fdd0}\u{ffff}\u{10ffff}";
    for c in invisible.chars() {
        all.push(format!("deny {c}evorppa"));
        all.push(format!("{c}"));
    }
    for escape in [
        "\x1bc", "\x1b7", "\x1b8", "\x1bD", "\x1bM", "\x1b(0", "\x1b#8", "\x1b%G", "\x1b=", "\x1b",
        "\u{9b}",
    ] {
        all.push(escape.to_owned());
        all.push(format!("x{escape}y\n{escape}"));
    }
    all.push(format!("z{}", "\u{336}".repeat(200)));
    all.push("\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}".to_owned());
    all.push("ok\nAPPROVED by root".to_owned());
    all.push("ok\r\nAPPROVED\u{85}by\u{2029}root".to_owned());
    all.push("\u{2800}".repeat(80));
    all.push("\u{3000}".repeat(80));
    all
}
