use super::*;

#[test]
fn a_path_that_means_its_text_is_not_suspect() {
    for path in ["/", "/a", "/a/b/", "/a.b/c", "/a/b.c", "*", "", "/a-b_c~d", "/a/b..c", "/a:b@c", "http://a"] {
        assert!(!is_suspect(path.as_bytes()), "{path}");
    }
    for path in ["//", "/a//b", "/.", "/..", "/a/.b", "/a/../b", "/%61", "/a%2fb", "/a;b", "/a/;b", "/a/b//"] {
        assert!(is_suspect(path.as_bytes()), "{path}");
    }
}

#[test]
fn adjacent_slashes_are_one() {
    for (path, expected) in [("//admin", "/admin"), ("/a///b//", "/a/b/"), ("//", "/"), ("///", "/")] {
        assert_eq!(normal(path).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn dot_segments_are_removed_and_nothing_is_above_the_root() {
    for (path, expected) in [
        ("/a/./b", "/a/b"),
        ("/x/../admin", "/admin"),
        ("/x/y/../../admin/", "/admin/"),
        ("/a/.", "/a/"),
        ("/a/b/..", "/a/"),
        ("/..", "/"),
        ("/../../admin", "/admin"),
        ("/a//../b", "/b"),
        ("/a/b/c/./../../g", "/a/g"),
    ] {
        assert_eq!(normal(path).as_deref(), Some(expected), "{path}");
    }
    for path in ["/a/...", "/.well-known/x", "/a/..b", "/a/b../c"] {
        assert_eq!(normal(path), None, "{path}");
    }
}

#[test]
fn escapes_of_unreserved_characters_are_read_and_no_others() {
    for (path, expected) in [
        ("/%61dmin", "/admin"),
        ("/%2e%2E/admin", "/admin"),
        ("/x/%2e./admin", "/admin"),
        ("/%7euser/%2D%5f", "/~user/-_"),
        ("/%41%zz%4", "/A%zz%4"),
    ] {
        assert_eq!(normal(path).as_deref(), Some(expected), "{path}");
    }
    for path in ["/a%2Fb", "/a%2fb", "/a%20b", "/caf%C3%A9", "/%2561", "/a%", "/%"] {
        assert_eq!(normal(path), None, "{path}");
    }
}

#[test]
fn what_is_normal_stays_as_it_is() {
    for path in ["//a/./b/%2e%2e/c", "/%2561", "/a%2f..%2fb;c", "/", "/;/../x"] {
        let once = normal(path).unwrap_or_else(|| path.to_owned());
        assert_eq!(normal(&once), None, "{path}");
    }
}

#[test]
fn another_reading_takes_escaped_slashes_for_slashes_and_drops_parameters() {
    for (path, expected) in [
        ("/x%2fadmin", "/x/admin"),
        ("/public/..%2Fadmin", "/admin"),
        ("/x%5c..%5Cadmin", "/admin"),
        ("/admin;x=y/z", "/admin/z"),
        ("/x/..;/admin", "/admin"),
        ("/x/%3b/admin", "/x/admin"),
        ("/%40admin", "/@admin"),
    ] {
        assert_eq!(other_reading(path).as_deref(), Some(expected), "{path}");
    }
    for path in ["/a/b", "/a%20b", "/caf%C3%A9", "/@admin", "/a%25b"] {
        assert_eq!(other_reading(path), None, "{path}");
    }
}
