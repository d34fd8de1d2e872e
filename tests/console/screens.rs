//! What a person sees on each screen at each size.

use super::desk::Desk;

#[test]
fn show() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let mut desk = Desk::live(width, height);
        println!("{}", desk.screen());
        desk.keys("a");
        desk.read_it();
        println!("{}", desk.screen());
        desk.keys("Esc 2 e");
        desk.read_it();
        println!("{}", desk.screen());
        desk.keys("Esc x");
        desk.read_it();
        desk.keys("y");
        println!("{}", desk.screen());
        desk.keys("Esc 3 k k");
        println!("{}", desk.screen());
        desk.keys("Enter");
        println!("{}", desk.screen());
        desk.keys("Esc ?");
        println!("{}", desk.screen());
    }
}
