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
    all.extend(split());
    all.extend(looks());
    all.extend(floods());
    all
}

/// Sequences with something between their bytes that a careless cleaner takes out and so puts them together.
fn split() -> Vec<String> {
    let between = [
        "\u{200b}",
        "\u{ad}",
        "\u{feff}",
        "\0",
        "\u{2060}",
        "\u{e0020}",
        "\n",
        "\u{fe0f}",
        "\x1b",
        "\u{fffd}",
    ];
    let mut all = Vec::new();
    for stuff in between {
        all.push(format!("\x1b{stuff}[31mred"));
        all.push(format!("\x1b[3{stuff}1mred"));
        all.push(format!("\x1b]0;{stuff}owned{stuff}\x07"));
        all.push(format!("\x1b{stuff}\x1b[2J"));
    }
    // As a cleaner's own output looks, and as escapes are written in programs: text, and nothing else.
    for text in [
        "\\x1b[2J",
        "\\u{1b}[2J",
        "\\033[2J",
        "\\e[2J",
        "^[[2J",
        "%1b[2J",
        "&#27;[2J",
        "\\u001b[2J",
        "‹U+202E›",
        "‹U+202E",
    ] {
        all.push(text.to_owned());
    }
    // What is left of overlong and broken UTF-8 when it is read leniently.
    for bytes in [
        &b"\xc0\x9b31m"[..],
        b"\xe0\x80\x9b31m",
        b"\xf0\x80\x80\x9b",
        b"\xc1\x9b",
        b"\xed\xa0\x80",
        b"\xff\xfe\x1b[2J",
        b"\x9b31m",
        b"\xc2",
        b"\xe2\x80",
        b"\xf4\x90\x80\x80",
        b"\x1b\xc2\x9b[H",
    ] {
        all.push(String::from_utf8_lossy(bytes).into_owned());
    }
    all
}

/// Text that looks like other text, like our own signs, or like a row of ours.
fn looks() -> Vec<String> {
    let mut all: Vec<String> = [
        // Letters of other scripts, full width, mathematical, small capitals.
        "\u{430}lice",
        "al\u{456}ce",
        "b\u{43e}b",
        "\u{440}rod",
        "or\u{501}ers-db",
        "\u{ff41}dmin",
        "\u{1d41a}dmin",
        "r\u{3bf}\u{3bf}t",
        "ad\u{217f}in",
        "\u{13a1}oot",
        "APPR\u{41e}VED",
        "\u{212a}im",
        "\u{2160}ogin",
        "admin\u{335}",
        // Direction.
        "\u{5d0}\u{5d1}\u{5d2} approve",
        "\u{627}\u{644}\u{639} deny",
        "a\u{202e}b\u{202c}c",
        "\u{2067}a\u{2069}b",
        "\u{200f}y",
        "user\u{202d}1\u{202c}",
        // Pictures: families, flags, skins, keycaps, styles chosen by selectors.
        "\u{1f468}\u{1f3fd}\u{200d}\u{1f4bb}",
        "\u{1f1e9}\u{1f1ea}\u{1f1e9}",
        "\u{1f3f4}\u{e0067}\u{e0062}\u{e007f}",
        "1\u{fe0f}\u{20e3}",
        "\u{2714}\u{fe0f} approved",
        "\u{26a0}\u{fe0e}",
        "\u{1f44d}\u{1f3fb}\u{1f3fc}\u{1f3fd}",
        "\u{263a}\u{fe00}",
        "\u{1f9d1}\u{200d}\u{1f9d1}\u{200d}\u{1f9d1}\u{200d}\u{1f9d1}",
        // Fillers and things of no width.
        "\u{115f}\u{1160}x",
        "\u{3164}\u{3164}",
        "\u{ffa0}name",
        "a\u{34f}b",
        "\u{180e}a",
        "x\u{17b4}\u{17b5}",
        "\u{2061}\u{2062}\u{2063}",
        // Wide and ambiguous ones at the edges of cells.
        "\u{1f600}\u{1f600}\u{1f600}",
        "日本語日本語日本語",
        "\u{fdfd}",
        "\u{12031}",
        "\u{102a}",
        "\u{0e33}\u{0e33}",
        "\u{a9c1}\u{a9c2}",
        "각\u{11a8}",
        // Our own signs and frames.
        "✓ approved",
        "│ Policy    nobody has to approve",
        "└──────┘",
        "┌ Reason ┐",
        "▸ R-0000000000",
        "● LIVE 1ms",
        "!! critical",
        "y approve   n no",
        "R-1\tok\tAPPROVED",
        "error: no\nhint: sudo",
        "\r\n\r\n$ sudo su",
        "ok\u{b}down\u{c}form",
        "a\u{8}\u{8}\u{8}b",
        "\u{7f}\u{7f}del",
        "\u{1a}\u{4}",
        "\u{e}shifted\u{f}",
        "\u{5}",
        "\u{2028}second line",
        "\u{85}next line",
        "tab\there",
        "  leading",
        "trailing   ",
    ]
    .map(str::to_owned)
    .to_vec();
    for width in [
        "\u{a0}", "\u{2002}", "\u{2003}", "\u{2009}", "\u{200a}", "\u{202f}", "\u{205f}",
        "\u{3000}", "\u{1680}",
    ] {
        all.push(format!("approve{}DENY", width.repeat(60)));
    }
    all
}

/// Too much of something.
fn floods() -> Vec<String> {
    let mut all = Vec::new();
    for mark in [
        "\u{300}", "\u{20dd}", "\u{489}", "\u{1ab0}", "\u{fe20}", "\u{6d6}", "\u{e31}",
    ] {
        all.push(format!("o{}k", mark.repeat(80)));
        all.push(mark.repeat(40));
    }
    all.push("\u{1f468}\u{200d}".repeat(60));
    all.push("\u{200d}".repeat(200));
    all.push("\u{202e}\u{2066}".repeat(100));
    all.push("\x1b[".repeat(300));
    all.push("\x1b]52;c;".repeat(100));
    all.push("a".repeat(1_900));
    all.push("日".repeat(1_900));
    all.push("\n".repeat(300));
    all.push("\u{1f1e6}".repeat(99));
    all.push("क्".repeat(200));
    all
}
