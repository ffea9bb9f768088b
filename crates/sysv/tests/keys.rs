//! Goal: keys are the numbers that the C library and the kernel's tools use. Method: `ftok` against
//! the formula, computed here from a file's metadata, and every one of its failures.

use std::fs::{self, File};
use std::num::NonZeroU8;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use sysv_ipc::{Errno, ErrorKind, Key, MessageQueue, Mode, Segment, SemaphoreSet};

use common::own;

mod common;

const PROJECT: NonZeroU8 = NonZeroU8::new(b'A').unwrap();

/// The formula of ftok(3), written down from its description.
fn formula(path: &Path, project: u8) -> u32 {
    let metadata = fs::metadata(path).unwrap();
    let device = u32::try_from(metadata.dev() & 0xff).unwrap();
    let inode = u32::try_from(metadata.ino() & 0xffff).unwrap();
    u32::from(project) << 24 | device << 16 | inode
}

#[test]
fn ftok_is_the_documented_formula() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    File::create(&file).unwrap();
    for project in [1, b'A', 0x80, 0xff] {
        let key = Key::from_path(&file, NonZeroU8::new(project).unwrap()).unwrap();
        assert_eq!(key.to_bits(), formula(&file, project));
    }
    let key = Key::from_path(folder.path(), PROJECT).unwrap();
    assert_eq!(key.to_bits(), formula(folder.path(), b'A'));
}

#[test]
fn ftok_follows_links_to_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let [file, soft, hard] = ["file", "soft", "hard"].map(|name| folder.path().join(name));
    File::create(&file).unwrap();
    symlink(&file, &soft).unwrap();
    fs::hard_link(&file, &hard).unwrap();
    let key = Key::from_path(&file, PROJECT);
    assert_eq!(Key::from_path(&soft, PROJECT), key);
    assert_eq!(Key::from_path(&hard, PROJECT), key);
}

#[test]
fn ftok_of_a_missing_file_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    common::assert_fails(Key::from_path(&file, PROJECT), ErrorKind::NotFound);
    common::assert_fails(Key::from_path(Path::new(""), PROJECT), ErrorKind::NotFound);
}

#[test]
fn ftok_through_a_file_is_not_found() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Key::from_path(&file.path().join("below"), PROJECT).unwrap_err();
    assert_eq!(
        (error.errno(), error.kind()),
        (Errno::ENOTDIR, ErrorKind::NotFound)
    );
}

#[test]
fn ftok_round_a_ring_of_links_is_another_error() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    symlink(&link, &link).unwrap();
    let error = Key::from_path(&link, PROJECT).unwrap_err();
    assert_eq!(
        (error.errno(), error.kind()),
        (Errno::ELOOP, ErrorKind::Other)
    );
}

#[test]
fn ftok_of_an_overlong_name_is_another_error() {
    let error = Key::from_path(Path::new(&"x".repeat(5000)), PROJECT).unwrap_err();
    assert_eq!(
        (error.errno(), error.kind()),
        (Errno::ENAMETOOLONG, ErrorKind::Other)
    );
}

#[test]
fn ftok_of_a_path_with_a_nul_byte_is_refused() {
    let path = Path::new(std::ffi::OsStr::from_bytes(b"/tmp\0/x"));
    common::assert_fails(Key::from_path(path, PROJECT), ErrorKind::InvalidArgument);
}

#[test]
fn ftok_in_a_closed_folder_is_denied() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    File::create(&file).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    common::play_as_other_user("look through a closed folder", file.display());
}

#[test]
fn the_private_key_finds_nothing() {
    let any = Mode::from_bits(0);
    // Owned, so that an object made by mistake does not stay.
    let segment = Segment::open(Key::PRIVATE, any).map(own);
    common::assert_fails(segment, ErrorKind::NotFound);
    let set = SemaphoreSet::open(Key::PRIVATE, any).map(own);
    common::assert_fails(set, ErrorKind::NotFound);
    let queue = MessageQueue::open(Key::PRIVATE, any).map(own);
    common::assert_fails(queue, ErrorKind::NotFound);
}

#[test]
fn a_private_object_has_no_key_and_is_new_each_time() {
    let (one, other) = (common::segment(1), common::segment(1));
    assert_ne!(one.id(), other.id());
    assert_eq!(one.stat().unwrap().permissions.key, Key::PRIVATE);
}

#[test]
fn kinds_of_objects_do_not_share_their_keys() {
    let key = common::key("kinds_of_objects_do_not_share_their_keys");
    let segment = own(Segment::create(key, 1, Mode::OWNER).unwrap());
    let set = own(SemaphoreSet::create(key, 1, Mode::OWNER).unwrap());
    let queue = own(MessageQueue::create(key, Mode::OWNER).unwrap());
    assert_eq!(Segment::open(key, Mode::OWNER), Ok(*segment));
    assert_eq!(SemaphoreSet::open(key, Mode::OWNER), Ok(*set));
    assert_eq!(MessageQueue::open(key, Mode::OWNER), Ok(*queue));
}

#[test]
#[ignore = "a child's part, which other tests start"]
fn child() {
    let Some((part, file)) = common::part() else {
        return;
    };
    assert_eq!(part, "look through a closed folder");
    let error = Key::from_path(Path::new(&file), PROJECT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert!(error.to_string().contains("folder"), "{error}");
}
