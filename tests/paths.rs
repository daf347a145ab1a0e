//! What a path stands for: itself, the files of a directory in order, or what fits a pattern.

#![expect(clippy::unwrap_used, reason = "a test ends there")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use hsmtrail::source::{FileId, Paths};

/// A directory with these files, each of which holds its own name.
fn tree(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    dir
}

/// What `path` below `dir` stands for, by names below `dir`; errors as `! ` and their text.
fn found_but(dir: &Path, path: &str, outputs: Vec<FileId>) -> Vec<String> {
    let below = |text: &str| text.replace(&format!("{}/", dir.display()), "");
    let name = |path: PathBuf| below(path.to_str().unwrap());
    Paths::new(&dir.join(path), outputs)
        .map(|found| match found {
            Ok(found) => {
                let length = fs::metadata(&found.path).ok().map(|file| file.len());
                assert_eq!(found.size, length, "{}", found.path.display());
                name(found.path)
            }
            Err(error) => format!("! {}", below(&error.to_string())),
        })
        .collect()
}

fn found(dir: &Path, path: &str) -> Vec<String> {
    found_but(dir, path, Vec::new())
}

#[test]
fn a_directory_stands_for_its_log_files_in_order_of_names() {
    let dir = tree(&[
        "a/2/x.json",
        "a/10/x.json.gz",
        "a/b.ndjson",
        "a/B.jsonl.zst",
        "a/b/y.json.bz2",
        "a/.hidden.json",
        "a/.git/z.json",
        "a/readme.txt",
        "a/x.json.gz.f3A9c0",
        "a/x.csv.gz",
        "z.json",
    ]);
    let all = [
        "a/10/x.json.gz",
        "a/2/x.json",
        "a/B.jsonl.zst",
        "a/b/y.json.bz2",
        "a/b.ndjson",
    ];
    assert_eq!(found(dir.path(), "a"), all);
    assert_eq!(found(dir.path(), "a/"), all);
    // A hidden directory, when it is the one that was named.
    assert_eq!(found(dir.path(), "a/.git"), ["a/.git/z.json"]);
    // And any file that was named.
    assert_eq!(found(dir.path(), "a/readme.txt"), ["a/readme.txt"]);
}

#[test]
fn cloudtrail_s_keys_come_by_account_region_and_day_without_other_logs() {
    let file = |account: &str, log: &str, day: &str, n: u32| {
        format!(
            "AWSLogs/o-a1b2c3d4e5/{account}/{log}/eu-west-1/2026/03/{day}/\
             {account}_{log}_eu-west-1_202603{day}T0000Z_{n}.json.gz"
        )
    };
    let events = [
        file("111122223333", "CloudTrail", "06", 1),
        file("111122223333", "CloudTrail", "07", 0),
        file("111122223333", "CloudTrail-Insight", "07", 0),
        file("444455556666", "CloudTrail", "01", 2),
    ];
    let others = [
        file("111122223333", "CloudTrail-Digest", "07", 0),
        file("111122223333", "Config", "07", 0),
        file("444455556666", "elasticloadbalancing", "01", 0),
    ];
    let all = events.iter().chain(&others).map(String::as_str);
    let dir = tree(&all.collect::<Vec<_>>());
    assert_eq!(found(dir.path(), ""), events);
    assert_eq!(found(dir.path(), "AWSLogs/o-a1b2c3d4e5/4*"), events[3..]);
    // What was named itself is meant.
    let digest = "AWSLogs/o-a1b2c3d4e5/111122223333/CloudTrail-Digest";
    assert_eq!(found(dir.path(), digest), others[..1]);
}

#[test]
fn links_are_followed_but_not_round_in_circles() {
    let dir = tree(&["a/x.json", "b/y.json"]);
    let link = |to: &str, name: &str| symlink(to, dir.path().join(name)).unwrap();
    link("..", "a/up");
    link("../b", "a/other");
    link("../b/y.json", "a/z.json");
    link("nowhere", "a/nothing");
    assert_eq!(
        found(dir.path(), "a"),
        ["a/other/y.json", "a/x.json", "a/z.json"]
    );
    // A file that should be there.
    link("nowhere", "b/gone.json");
    assert_eq!(
        found(dir.path(), "b"),
        [
            "! cannot open b/gone.json: No such file or directory (os error 2)",
            "b/y.json"
        ]
    );
}

#[test]
fn a_pattern_stands_for_what_fits_it_in_order_of_names() {
    let dir = tree(&[
        "b.json",
        "a.json",
        "c.txt",
        "d/e.json",
        "d/f/g.json",
        ".h.json",
        "[x].json",
        "x.json",
    ]);
    for (pattern, names) in [
        ("*.json", &["[x].json", "a.json", "b.json", "x.json"][..]),
        ("?.json", &["a.json", "b.json", "x.json"]),
        ("[ab].json", &["a.json", "b.json"]),
        ("[!a].json", &["b.json", "x.json"]),
        ("*.txt", &["c.txt"]),
        ("*/*.json", &["d/e.json"]),
        ("**/g.json", &["d/f/g.json"]),
        // A directory that fits is walked.
        ("d*", &["d/e.json", "d/f/g.json"]),
        // What exists by this very name is no pattern.
        ("[x].json", &["[x].json"]),
        ("*.csv", &["! no file fits the pattern *.csv"]),
        (
            "a**.json",
            &["! there is no file a**.json, and it is no pattern: \
               recursive wildcards must form a single path component"],
        ),
    ] {
        assert_eq!(found(dir.path(), pattern), names, "{pattern}");
    }
}

/// They were read once for each directory around them.
#[test]
fn r_two_stars_take_each_file_once() {
    let dir = tree(&["a/x.json", "a/b/y.json", "a/b/c/z.json", "a/b/c/z.txt"]);
    let all = ["a/b/c/z.json", "a/b/y.json", "a/x.json"];
    for pattern in ["a/**", "**", "**/*", "a/**/*", "*/**/*"] {
        assert_eq!(found(dir.path(), pattern), all, "{pattern}");
    }
    assert_eq!(found(dir.path(), "**/b"), all[..2]);
}

/// Would give each file up to forty times, and with two such links never end.
#[test]
fn two_stars_enter_no_links() {
    let dir = tree(&[
        "g/a/one.json",
        "g/b/two.json",
        "g/zero.json",
        "other/three.json",
    ]);
    symlink("..", dir.path().join("g/a/up")).unwrap();
    symlink("..", dir.path().join("g/b/up")).unwrap();
    symlink("../other", dir.path().join("g/other")).unwrap();
    let all = ["g/a/one.json", "g/b/two.json", "g/zero.json"];
    assert_eq!(found(dir.path(), "g/**/*.json"), all);
    assert_eq!(found(dir.path(), "**/one.json"), ["g/a/one.json"]);
    assert_eq!(
        found(dir.path(), "g/*/**/three.json"),
        ["! no file fits the pattern g/*/**/three.json"]
    );
    assert_eq!(found(dir.path(), "no/**/x.json").len(), 1);
}

#[test]
fn what_is_not_there_is_left_to_the_opening() {
    let dir = tree(&[]);
    assert_eq!(found(dir.path(), "no.json"), ["no.json"]);
    let nothing = found(dir.path(), "");
    assert_eq!(nothing.len(), 1);
    assert!(nothing[0].contains(" holds no file of a name that ends in .json, "));
}

#[test]
fn an_output_is_no_input_unless_it_was_named() {
    let dir = tree(&["a.json", "out.json"]);
    let out = FileId::of_path(&dir.path().join("out.json")).unwrap();
    for (path, names) in [
        ("", &["a.json"][..]),
        ("*.json", &["a.json"]),
        ("out.json", &["out.json"]),
    ] {
        assert_eq!(found_but(dir.path(), path, vec![out]), names, "{path}");
    }
}

#[test]
fn a_stream_has_no_size() {
    let found: Vec<_> = Paths::new(Path::new("/dev/null"), Vec::new())
        .map(Result::unwrap)
        .collect();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].path.as_path(), found[0].size),
        (Path::new("/dev/null"), None)
    );
}
