//! Runs one target on one input: `one TARGET HEX|@FILE`.
fn main() {
    let mut args = std::env::args().skip(1);
    let (name, input) = (args.next().unwrap(), args.next().unwrap());
    let input = match input.strip_prefix('@') {
        Some(path) => std::fs::read(path).unwrap(),
        None => (0..input.len() / 2).map(|i| u8::from_str_radix(&input[2 * i..2 * i + 2], 16).unwrap()).collect(),
    };
    let (_, target) = fuzz::TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    target(&input);
    println!("passes");
}
