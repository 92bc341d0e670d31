//! scratch
fn main() {
    let text = std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap();
    for case in text.split("\n=====\n") {
        let dir = std::env::temp_dir().join("cfgscratchfile");
        std::fs::create_dir_all(&dir).unwrap();
        std::env::set_current_dir(&dir).unwrap();
        let (env, toml): (Vec<_>, Vec<_>) = case.lines().partition(|l| l.starts_with("$ "));
        std::fs::write("ostler.toml", toml.join("\n") + "\n").unwrap();
        let env: Vec<_> = env.iter().map(|l| l[2..].split_once('=').unwrap()).collect();
        match ostler_config::Config::load(None, env) {
            Ok(loaded) => println!("OK {:?}", loaded.config.servers),
            Err(e) => println!("{}", e.render(std::env::var_os("COLOR").is_some())),
        }
        println!("\n==========");
    }
}
