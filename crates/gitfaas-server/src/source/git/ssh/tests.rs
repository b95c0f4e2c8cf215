//! The transport, over a real server: OpenSSH's, and some that are none.

mod broken;
mod commands;
mod keys;
mod known;
pub(super) mod server;

use super::*;

#[test]
fn a_path_is_quoted_as_git_does() {
    assert_eq!(upload_pack("/srv/it's a test!.git"), r"git-upload-pack '/srv/it'\''s a test'\!'.git'");
    assert_eq!(upload_pack("a b;c$(d)`e`\\"), "git-upload-pack 'a b;c$(d)`e`\\'");
}

#[test]
fn words_of_a_server_are_one_line_that_no_terminal_obeys() {
    assert_eq!(shown(b"ERROR: it's\r\n\n \x1b[31mred\x07\xff\n", 100), "ERROR: it's; \\u{1b}[31mred\\u{7}\u{fffd}");
    assert_eq!(shown("übermäßig".as_bytes(), 4), "über…");
}
