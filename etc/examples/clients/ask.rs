// ask KEY: may KEY go on? Prints "go on", "wait SECONDS" or "never". Goes on while allowd is down.
// The standard library has no client for HTTP, so this speaks HTTP/1.0, whose answers end with the connection.
use std::io::{Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

fn ask(key: &str) -> Result<String> {
    let key: String = key.bytes().map(|byte| format!("%{:02X}", byte)).collect();
    let mut allowd = TcpStream::connect("127.0.0.1:10429")?;
    allowd.set_read_timeout(Some(Duration::from_millis(500)))?;
    allowd.write_all(format!("GET /allow?key={} HTTP/1.0\r\n\r\n", key).as_bytes())?;
    let mut answer = String::new();
    allowd.read_to_string(&mut answer)?;
    Ok(answer)
}

/// 0: go on; -1: waiting does not help.
fn wait_s(key: &str) -> i64 {
    let answer = ask(key).unwrap_or_default(); // empty: allowd is down
    if !answer.starts_with("HTTP/1.1 429 ") {
        return 0;
    }
    answer.lines().find_map(|line| line.strip_prefix("Retry-After: ")?.parse().ok()).unwrap_or(-1)
}

fn main() {
    match wait_s(&std::env::args().nth(1).expect("KEY")) {
        0 => println!("go on"),
        -1 => println!("never"),
        seconds => println!("wait {}", seconds),
    }
}
