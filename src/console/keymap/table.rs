//! The one list of actions: where each works, its keys, its name for remapping, what it does and how much harm.

use crossterm::event::KeyCode::{
    BackTab, Delete, Down, End, Enter, Esc, F, Home, Left, PageDown, PageUp, Right, Tab, Up,
};

use crate::console::keymap::chord::Chord;
use crate::console::keymap::{Action, Binding, Danger, Place};

const fn k(letter: char) -> Chord {
    Chord::letter(letter)
}

const fn n(code: crossterm::event::KeyCode) -> Chord {
    Chord::plain(code)
}

const fn ctrl(letter: char) -> Chord {
    Chord::ctrl(letter)
}

/// One line for each binding: action, keys, danger, name, a word for the hints, a sentence for the help.
macro_rules! table {
    ($($place:ident { $($action:ident [$($key:expr),*] $danger:ident $name:literal $word:literal $doc:literal;)* })*) => {
        &[$($(Binding {
            action: Action::$action,
            place: Place::$place,
            keys: &[$($key),*],
            danger: Danger::$danger,
            name: $name,
            word: $word,
            doc: $doc,
        }),*),*]
    };
}

/// Every binding as shipped.
pub const BINDINGS: &[Binding] = table! {
    Requests {
        Approve [k('a')] Sensitive "request.approve" "approve"
            "Approve the selected request; asks first.";
        Narrow [k('e')] Sensitive "request.narrow" "approve for less"
            "Approve the selected request for a shorter time; asks first.";
        Deny [k('d')] Reversible "request.deny" "deny"
            "Deny the selected request; asks for the comment that the requester reads.";
        Claim [k('c')] None "request.claim" "claim"
            "Tell the others that you are on the selected request, or no longer.";
        SameTrace [k('o')] None "request.grant" "its grant" "Go to the grant that came of the selected request.";
        Lock [k('L')] Sweeping "request.lock" "lock requester"
            "Lock the person who asks out of everything; asks with the list of what ends.";
    }
    Grants {
        Revoke [k('x')] Reversible "grant.revoke" "revoke"
            "Take the selected grant away and cut its sessions; asks first, then for the reason.";
        Extend [k('e')] Reversible "grant.extend" "extend"
            "Move the end of the selected grant, by 15 minutes unless you change it; asks first.";
        GiveBack [k('b')] Reversible "grant.return" "give back"
            "Give back a grant of your own before its end; asks first.";
        SameTrace [k('o')] None "grant.request" "its request" "Go to the request that the selected grant came of.";
        Lock [k('L')] Sweeping "grant.lock" "lock holder"
            "Lock the holder out of everything; asks with the list of what ends.";
    }
    Sessions {
        EndSession [k('t')] Sensitive "session.end" "end session"
            "Cut the selected connection; the grant behind it stays. Asks first.";
        Revoke [k('x')] Reversible "session.revoke" "revoke its grant"
            "Take away the grant behind the selected connection; asks first, then for the reason.";
        Lock [k('L')] Sweeping "session.lock" "lock user"
            "Lock the person behind the connection out of everything; asks with the list of what ends.";
    }
    Audit {
        Follow [k('f'), k('p')] None "audit.follow" "follow/pause"
            "Pause the live record, or follow it again; nothing is lost in between.";
        HourBack [k('[')] None "audit.hour_back" "hour back" "One hour back in the record.";
        HourForward [k(']')] None "audit.hour_forward" "hour on" "One hour on in the record.";
        DayBack [k('{')] None "audit.day_back" "day back" "One day back in the record.";
        DayForward [k('}')] None "audit.day_forward" "day on" "One day on in the record.";
        PreviousDenied [k('(')] None "audit.previous_denied" "denied before"
            "To the nearest event before this one that was refused or failed.";
        NextDenied [k(')')] None "audit.next_denied" "denied after"
            "To the nearest event after this one that was refused or failed.";
        SameTrace [k('o')] None "audit.trace" "same trace"
            "Show only what belongs to the same call as the selected event.";
        Verify [k('V')] None "audit.verify" "prove it"
            "Prove that the selected event is in the signed log, just as it is shown, and that the log continues what this machine saw before.";
        Bookmark [k('b')] None "audit.bookmark" "bookmark"
            "Keep the selected event on this machine to come back to, or let it go.";
        NextBookmark [k('B')] None "audit.next_bookmark" "next bookmark"
            "To the nearest older event that is kept, and from the oldest to the newest.";
        Story [k('O')] None "audit.story" "whole story"
            "Show everything that the person of the selected event did and had done to them; of an event of nobody, everything about its target.";
        Lock [k('L')] Sweeping "audit.lock" "lock actor"
            "Lock the person behind the event out of everything; asks with the list of what ends.";
    }
    Locks {
        Lock [k('L')] Sweeping "lock.place" "lock"
            "Lock a person, a target or a tag out; asks with the list of what ends.";
        Lift [k('x')] Sensitive "lock.lift" "lift"
            "Lift the selected lock; asks first, then for the reason.";
    }
    Timeline {
        TimeBack [k('h'), n(Left)] None "timeline.back" "earlier" "Show earlier times.";
        TimeForward [k('l'), n(Right)] None "timeline.forward" "later" "Show later times.";
        ZoomIn [k('+')] None "timeline.zoom_in" "zoom in" "Show less time, in more detail.";
        ZoomOut [k('_')] None "timeline.zoom_out" "zoom out" "Show more time, in less detail.";
        TimeNow [k('t')] None "timeline.now" "now" "Back to this moment.";
        CopyJson [k('Y')] None "timeline.copy_answer" "copy as text"
            "Copy who had access at that moment, as text for a ticket.";
        AsOf [k('o')] None "timeline.as_of" "as of"
            "Ask who held what at a moment: type `14:32`, `-2h` or a date.";
        Revoke [k('x')] Reversible "timeline.revoke" "revoke"
            "Take the selected grant away and cut its sessions; asks first, then for the reason.";
        Extend [k('e')] Reversible "timeline.extend" "extend"
            "Move the end of the selected grant; asks first.";
        Lock [k('L')] Sweeping "timeline.lock" "lock holder"
            "Lock the holder out of everything; asks with the list of what ends.";
    }
    SignIns {
        RevokeSignIn [k('x')] Sensitive "sign_in.revoke" "end it"
            "End the selected sign-in: its tokens stop working at once; asks first.";
        RevokeSignIns [k('X')] Sensitive "sign_in.revoke_all" "end all of theirs"
            "End every sign-in of that person, but not the one in use here; asks with the list.";
        Lock [k('L')] Sweeping "sign_in.lock" "lock person"
            "Lock the person out of everything; asks with the list of what ends.";
    }
    Services {
        MakeService [k('c')] Sensitive "service.make" "make one"
            "Make a service account; asks what it may do, and shows its token once.";
        RotateService [k('t')] Sensitive "service.rotate" "another token"
            "Give the selected service account another token, which is shown once; asks first.";
        DeleteService [k('x')] Sensitive "service.delete" "delete"
            "Delete the selected service account: its token stops working at once; asks first.";
        Lock [k('L')] Sweeping "service.lock" "lock it"
            "Lock the service account out of everything; asks with the list of what ends.";
    }
    Glass {
        SignOff [k('a')] Sensitive "glass.sign_off" "sign off"
            "Find the selected break-glass justified; asks first, then for what you looked at.";
        Object [k('d')] Sensitive "glass.object" "not justified"
            "Find the selected break-glass not justified; asks first, then for what you looked at.";
        SameTrace [k('o')] None "glass.grant" "its grant" "Go to the grant that was taken.";
        Lock [k('L')] Sweeping "glass.lock" "lock person"
            "Lock the person out of everything; asks with the list of what ends.";
    }
    Standing {
        ImportStanding [k('a')] Reversible "standing.import" "answer for it"
            "Answer for the selected standing access until a date; asks first, then for the reason.";
        IgnoreStanding [k('d')] Reversible "standing.ignore" "ignore"
            "Say why the selected standing access stays; it comes back when its rights grow.";
        ReopenStanding [k('o')] Reversible "standing.reopen" "open again"
            "Take back what was said about the selected standing access; asks first, then for the reason.";
        Lock [k('L')] Sweeping "standing.lock" "lock target"
            "Lock the target for everybody while you look into it; asks with the list of what ends.";
    }
    Incident {
        Confirm [n(Enter)] None "incident.next" "next step"
            "To the next step; at the last one, and only with the count typed, do it.";
        NextField [n(Tab)] None "incident.next_field" "next field" "To the next line of the form.";
        PreviousField [n(BackTab)] None "incident.previous_field" "field before" "To the line before.";
        Drop [k(' ')] None "incident.keep" "keep/take" "Keep the row as it is, or take it away after all.";
        DryRun [k('v')] None "incident.dry_run" "dry run" "Let the server try it out once more.";
        No [n(Esc)] None "incident.leave" "leave" "One step back, then out; nothing is done.";
    }
    Review {
        Confirm [n(Enter)] None "review.confirm" "do it"
            "Do it to every row on the list, once the count is typed.";
        Drop [k(' '), n(Delete)] None "review.drop" "take out"
            "Take the row under the cursor out of the list, or put it back.";
        NextField [n(Tab)] None "review.next_field" "next field"
            "From the list to the reason and the count, and back.";
        Retry [k('r')] None "review.retry" "retry"
            "Try again what was not answered, with the same keys.";
        No [n(Esc)] None "review.leave" "leave" "Close the list; nothing is done, the marks stay.";
    }
    Question {
        Yes [k('y')] None "question.yes" "yes"
            "Do what the question says. Counts only after a short pause.";
        No [n(Esc), k('n')] None "question.no" "no" "Close the question; nothing is done.";
        NextField [n(Tab)] None "question.next" "next field" "To the other line of the question.";
    }
    Anywhere {
        GoRequests [k('1')] None "go.requests" "requests" "Show requests.";
        GoGrants [k('2')] None "go.grants" "grants" "Show grants.";
        GoSessions [k('3')] None "go.sessions" "sessions" "Show live connections.";
        GoAudit [k('4')] None "go.audit" "audit" "Show the audit record.";
        GoLocks [k('5')] None "go.locks" "locks" "Show locks.";
        GoTimeline [k('6')] None "go.timeline" "timeline" "Show who holds what from when to when.";
        GoSignIns [k('7')] None "go.sign_ins" "sign-ins" "Show who is signed in.";
        GoServices [k('8')] None "go.services" "services" "Show service accounts.";
        GoGlass [k('9')] None "go.glass" "break-glass" "Show who broke glass, and what waits for its sign-off.";
        GoStanding [k('0')] None "go.standing" "standing" "Show access on targets that no grant backs.";
        Incident [k('i')] Sweeping "go.incident" "incident"
            "Take much access away at once: choose, try it out on the server, type the count.";
        Down [k('j'), n(Down)] None "move.down" "down" "One row down.";
        Up [k('k'), n(Up)] None "move.up" "up" "One row up.";
        Top [k('g'), n(Home)] None "move.top" "top" "To the first row.";
        Bottom [k('G'), n(End)] None "move.bottom" "bottom"
            "To the last row; in the record this also follows again.";
        HalfDown [ctrl('d')] None "move.half_down" "half page down" "Half a page down.";
        HalfUp [ctrl('u')] None "move.half_up" "half page up" "Half a page up.";
        PageDown [n(PageDown)] None "move.page_down" "page down" "A page down.";
        PageUp [n(PageUp)] None "move.page_up" "page up" "A page up.";
        Open [n(Enter)] None "view.open" "detail" "Show the selected row on the full screen.";
        Back [n(Esc)] None "view.back" "back"
            "Close what is open, dismiss errors, drop the filter. Always safe.";
        PreviousItem [k('<')] None "view.previous" "row before" "The detail of the row before.";
        NextItem [k('>')] None "view.next" "next row" "The detail of the next row.";
        NextPane [n(Tab)] None "view.next_pane" "next pane" "Give the keys to the next pane.";
        PreviousPane [n(BackTab)] None "view.previous_pane" "pane before"
            "Give the keys to the pane before.";
        Zoom [k('z')] None "view.zoom" "zoom" "Give the pane with the keys the whole screen, or take it back.";
        Json [k('J')] None "view.json" "raw JSON" "In the detail: what the server sent, as JSON.";
        Mark [k(' ')] None "mark.one" "mark" "Mark the row, or unmark it, and go on to the next.";
        MarkRange [k('v')] None "mark.range" "mark range"
            "Mark everything from here to where you press it again.";
        MarkAll [k('*')] None "mark.all" "mark all" "Mark every row that matches the filter.";
        ClearMarks [ctrl('\\')] None "mark.clear" "clear marks" "Take every mark away.";
        Filter [k('/')] None "view.filter" "filter"
            "Show only rows that match, as `field:value` or words.";
        SavedFilters [k('@')] None "filter.saved" "saved filters" "Choose a saved filter.";
        NextMatch [k('n')] None "filter.next" "next match"
            "To the next row that the filter lets pass, or the last one.";
        PreviousMatch [k('N')] None "filter.previous" "match before"
            "To the row before that the filter lets pass, or the last one.";
        CellRight [k('l'), n(Right)] None "cell.right" "next cell"
            "Choose a cell of the row, to filter by it; once more is the next.";
        CellLeft [k('h'), n(Left)] None "cell.left" "cell before" "The cell to the left of the chosen one.";
        FilterByCell [k('=')] None "filter.by_cell" "only these"
            "Show only rows with what the chosen cell holds; none chosen: asks.";
        FilterWithoutCell [k('-')] None "filter.without_cell" "without these"
            "Hide rows with what the chosen cell holds; none chosen: asks.";
        SortAgain [k('s')] None "view.sort" "sort"
            "Put the rows in order again; when they are, choose a column to sort by.";
        SortReverse [k('S')] None "view.reverse" "reverse" "Turn the order of the rows round.";
        Columns [k('|')] None "view.columns" "columns"
            "Choose which columns are shown and in what order; it is remembered.";
        Copy [k('y')] None "copy.id" "copy id" "Copy the id of the selected row.";
        CopyJson [k('Y')] None "copy.json" "copy JSON" "Copy the selected row as JSON.";
        Export [k('w')] None "copy.export" "export" "Write what the filter shows to a file.";
        CommandLine [k('.')] None "view.command_line" "as a command"
            "Then a key: show the command line that does the same as that key.";
        Undo [k('u')] Reversible "act.undo" "undo"
            "Undo the last change, for 30 seconds after it; asks first.";
        Palette [k(':'), ctrl('p')] None "view.palette" "commands"
            "Find and run anything by a few letters of its name.";
        Messages [k('m')] None "view.messages" "messages"
            "Everything that was said in the corner of the screen, with its time.";
        WhoAmI [k('W')] None "account.who" "who am I"
            "Who you are, how you signed in, what was proved, when it ends, and your second factors.";
        SignIn [k('I')] None "account.sign_in" "sign in"
            "Sign in here: in a browser, also of another machine, or with a password or a code. What is shown stays as it is.";
        Retry [k('r')] None "link.retry" "retry"
            "Try again now: the connection, and changes that were not answered.";
        Help [k('?'), n(F(1))] None "view.help" "help" "Show the keys that work here.";
        Mouse [n(F(2))] None "console.mouse" "mouse"
            "Take the mouse, or leave it to the terminal for selecting text.";
        Repaint [ctrl('l')] None "console.repaint" "repaint" "Draw everything anew.";
        Suspend [ctrl('z')] None "console.suspend" "suspend" "Go back to the shell; `fg` returns.";
        Quit [k('q')] None "console.quit" "quit" "Leave the console.";
        Interrupt [ctrl('c')] None "console.quit_now" "quit" "Leave the console at once, whatever is open.";
    }
};
