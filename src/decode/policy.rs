//! Reads the resource policy that an event carries as a JSON text inside a string.
//!
//! In → out: the unescaped text of `requestParameters.policy`; a [`Policy`].
//!
//! Invariants: **The same JSON as for records**: the last of equal names counts, unpaired surrogates read as U+FFFD. Only statements whose `Effect` is exactly
//! `Allow` count. Work is linear in the text.
//!
//! Not here: which account a principal belongs to, sorting, repeats (`enrich`).
//!
//! Failure: none; what cannot be read is [`Policy::Unreadable`], which is a finding of its own.
//!
//! Cost: allocates; a policy is shared far more rarely than an event is read.

use std::collections::HashMap;

use super::cursor::{Cursor, LineBreaks};
use crate::event::Policy;

/// The principal that means everyone.
const ANYONE: &str = "*";

/// Reads the policy in `json`. `scratch` is as long as it.
pub(super) fn decode(json: &str, scratch: &mut [u8]) -> Policy {
    // What it lends to the principals ends here, with the principals themselves.
    let mut cursor = Cursor::new(json, LineBreaks::Blank, scratch);
    let principals = policy(&mut cursor);
    match principals {
        Some(principals) if cursor.reached_end() => Policy::Allows(principals),
        _ => Policy::Unreadable,
    }
}

fn policy(document: &mut Cursor<'_>) -> Option<Vec<String>> {
    let mut principals = None;
    document.members(|value, name| match name {
        b"Statement" => principals = statements(value),
        _ => value.skip(),
    });
    principals
}

/// The principals that are allowed by one statement or an array of them.
fn statements(value: &mut Cursor<'_>) -> Option<Vec<String>> {
    let mut principals = Vec::new();
    let is_list = match value.peek() {
        Some(b'[') => value.elements(|one| {
            allowed(one, &mut principals);
        }),
        _ => allowed(value, &mut principals),
    };
    is_list.then_some(principals)
}

/// Adds the principals that a statement allows; none for what is no object. Returns whether it is
/// one.
fn allowed(statement: &mut Cursor<'_>, principals: &mut Vec<String>) -> bool {
    let mut allows = false;
    let mut principal = Vec::new();
    let mut all_but_some = false;
    let is_object = statement.members(|value, name| match name {
        b"Effect" => allows = value.text() == Some("Allow"),
        b"Principal" => principal = named(value),
        b"NotPrincipal" => all_but_some = value.is_present(),
        _ => value.skip(),
    });
    if allows {
        principals.extend(principal.into_iter().map(str::to_owned));
        if all_but_some {
            principals.push(ANYONE.to_owned());
        }
    }
    is_object
}

/// The texts of a `Principal`: a string, or the strings and arrays of strings in an object.
fn named<'a>(principal: &mut Cursor<'a>) -> Vec<&'a str> {
    if principal.peek() != Some(b'{') {
        return principal.text().into_iter().collect();
    }
    let mut kinds = Vec::new();
    // The names of the members are the policy's own, so the last of equal ones is found by a map:
    // looking back from each would be quadratic in what an attacker may write.
    let mut last = HashMap::new();
    principal.members(|value, name| {
        last.insert(name, kinds.len());
        kinds.push((name, one_or_more(value)));
    });
    let counts = |(at, (name, texts)): (usize, (&'a [u8], Vec<&'a str>))| {
        (last.get(name) == Some(&at)).then_some(texts)
    };
    kinds
        .into_iter()
        .enumerate()
        .filter_map(counts)
        .flatten()
        .collect()
}

fn one_or_more<'a>(value: &mut Cursor<'a>) -> Vec<&'a str> {
    let mut texts = Vec::new();
    if value.peek() == Some(b'[') {
        value.elements(|element| texts.extend(element.text()));
    } else {
        texts.extend(value.text());
    }
    texts
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::Value as Tree;

    use super::super::second;
    use super::super::texts::{Json, blank, json, nested, plain};
    use super::*;

    fn read(json: &str) -> Policy {
        decode(json, &mut vec![0; json.len()])
    }

    fn allows(principals: &[&str]) -> Policy {
        Policy::Allows(principals.iter().map(|&text| text.to_owned()).collect())
    }

    #[test]
    fn what_cannot_be_read() {
        let deep = format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":"*","Condition":{}}}]}}"#,
            nested(&[("[", "]")], 126)
        );
        for json in [
            "",
            " ",
            "policy",
            "[]",
            "\"{}\"",
            "null",
            "{}",
            "{\"Statement\":null}",
            "{\"Statement\":\"x\"}",
            "{\"Statement\":1}",
            "{\"Statement\":[],\"Statement\":true}",
            "{\"statement\":[]}",
            "{\"Statement\":[]",
            "{\"Statement\":[]}}",
            "{\"Statement\":[],}",
            "\u{feff}{\"Statement\":[]}",
            "{\"Statement\":\n[\"\n\"]}",
            &deep,
        ] {
            assert_eq!(read(json), Policy::Unreadable, "{json}");
        }
    }

    #[test]
    fn as_deep_as_a_record_may_be() {
        let json = format!(
            r#"{{"Statement":[{{"Effect":"Allow","Principal":"*","Condition":{}}}]}}"#,
            nested(&[("[", "]")], 125)
        );
        assert_eq!(read(&json), allows(&["*"]));
    }

    #[test]
    fn which_principals_count() {
        for (statement, principals) in [
            ("[]", &[][..]),
            ("{}", &[]),
            (r#"{"Effect":"Allow","Principal":"*"}"#, &["*"]),
            (r#"[{"Effect":"Allow","Principal":"*"}]"#, &["*"]),
            (
                r#"{"Effect":"Allow","Principal":"111122223333"}"#,
                &["111122223333"],
            ),
            (r#"{"Effect":"Allow","Principal":""}"#, &[]),
            (r#"{"Effect":"Allow","Principal":["111122223333"]}"#, &[]),
            (r#"{"Effect":"Allow","Principal":null}"#, &[]),
            (r#"{"Effect":"Allow"}"#, &[]),
            (r#"{"Effect":"Deny","Principal":"*"}"#, &[]),
            (r#"{"Effect":"allow","Principal":"*"}"#, &[]),
            (r#"{"Effect":["Allow"],"Principal":"*"}"#, &[]),
            (r#"{"Principal":"*"}"#, &[]),
            (r#"{"Effect":"Allow","principal":"*"}"#, &[]),
            (
                r#"{"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"}}"#,
                &["*"],
            ),
            (r#"{"Effect":"Allow","NotPrincipal":[]}"#, &["*"]),
            (r#"{"Effect":"Allow","NotPrincipal":null}"#, &[]),
            (
                r#"{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"}}"#,
                &[],
            ),
            (
                r#"{"Effect":"Allow","Principal":"a","NotPrincipal":"b"}"#,
                &["a", "*"],
            ),
            (r#"{"Effect":"Allow","Principal":{"AWS":"*"}}"#, &["*"]),
            (
                r#"{"Effect":"Allow","Principal":{"AWS":["a","","b",1,["c"],"a"]}}"#,
                &["a", "b", "a"],
            ),
            (
                r#"{"Effect":"Allow","Principal":{"Service":["s"],"AWS":"a","CanonicalUser":"c","Federated":"f","X":{"AWS":"n"}}}"#,
                &["s", "a", "c", "f"],
            ),
            (
                r#"[7,"*",{"Effect":"Allow","Principal":"a"},["*"],null,{"Effect":"Allow","Principal":"b"}]"#,
                &["a", "b"],
            ),
            (r#"{"Effect":"\u0041llow","Principal":"\u002a"}"#, &["*"]),
            (
                r#"{"Effect":"Allow","Principal":"\ud800","Sid":1e400}"#,
                &["\u{fffd}"],
            ),
        ] {
            let json = format!("{{\"Version\":\"2012-10-17\",\"Statement\":{statement}}}");
            assert_eq!(read(&json), allows(principals), "{json}");
        }
    }

    #[test]
    fn the_last_of_equal_names_counts() {
        for (json, principals) in [
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"*"},"Statement":[]}"#,
                &[][..],
            ),
            (
                r#"{"Statement":1,"Statement":{"Effect":"Allow","Principal":"*"}}"#,
                &["*"],
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"*","Effect":"Deny"}}"#,
                &[],
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"*","Effect":""}}"#,
                &[],
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"a","Principal":{"AWS":"b"}}}"#,
                &["b"],
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":"a","Principal":0}}"#,
                &[],
            ),
            (
                r#"{"Statement":{"Effect":"Allow","NotPrincipal":"a","NotPrincipal":null}}"#,
                &[],
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"a","Service":"s","AWS":"b"}}}"#,
                &["s", "b"],
            ),
            (
                r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"a","AWS":0}}}"#,
                &[],
            ),
        ] {
            assert_eq!(read(json), allows(principals), "{json}");
        }
    }

    /// Would take hours if each name were looked for among the others.
    #[test]
    fn many_kinds_of_principal_take_linear_time() {
        let kinds: Vec<_> = (0..100_000).map(|n| format!("\"{n}\":\"p\"")).collect();
        let principal = format!("{{{}}}", kinds.join(","));
        let json = format!(r#"{{"Statement":{{"Effect":"Allow","Principal":{principal}}}}}"#);
        assert_eq!(read(&json), allows(&vec!["p"; 100_000]));
    }

    /// The principals by rule, from an ordinary tree, sorted: a tree has no order of names.
    fn sorted_principals(tree: &Tree) -> Option<Vec<String>> {
        let statements = match tree.get("Statement")? {
            Tree::Array(statements) => statements.clone(),
            statement @ Tree::Object(_) => vec![statement.clone()],
            _ => return None,
        };
        let mut found: Vec<String> = Vec::new();
        for statement in statements.iter().filter(|one| one["Effect"] == "Allow") {
            let principal = &statement["Principal"];
            let mut texts: Vec<_> = vec![principal];
            for one in principal
                .as_object()
                .into_iter()
                .flat_map(|kinds| kinds.values())
            {
                texts.push(one);
                texts.extend(one.as_array().into_iter().flatten());
            }
            found.extend(
                texts
                    .iter()
                    .filter_map(|text| text.as_str())
                    .map(str::to_owned),
            );
            if !statement["NotPrincipal"].is_null() {
                found.push(ANYONE.to_owned());
            }
        }
        found.retain(|text| !text.is_empty());
        found.sort();
        Some(found)
    }

    fn named(name: &'static str) -> impl Strategy<Value = Json> + Clone {
        Just(Json::Text(plain(name)))
    }

    fn object(
        names: &'static [&'static str],
        value: impl Strategy<Value = Json> + 'static,
    ) -> BoxedStrategy<Json> {
        let name = prop::sample::select(names).prop_map(plain);
        vec((name, value), 0..5).prop_map(Json::Object).boxed()
    }

    fn document() -> BoxedStrategy<Json> {
        let text = prop_oneof![named("*"), named(""), named("111122223333"), json()].boxed();
        let texts = vec(text.clone(), 0..4).prop_map(Json::Array);
        let principal = object(
            &["AWS", "Service", "Federated"],
            prop_oneof![text.clone(), texts.clone()],
        );
        let member = prop_oneof![4 => named("Allow"), 1 => named("Deny"), 4 => principal, 2 => text, 1 => texts];
        let statement = object(
            &[
                "Effect",
                "Effect",
                "Effect",
                "Principal",
                "Principal",
                "NotPrincipal",
            ],
            member,
        );
        let one = prop_oneof![8 => statement, 1 => json()].boxed();
        let statements = prop_oneof![one.clone(), vec(one, 0..4).prop_map(Json::Array)];
        object(
            &["Statement", "Statement", "Statement", "Version"],
            statements,
        )
    }

    proptest! {
        #[test]
        fn a_policy_is_what_the_rules_say(document in document(), blank in blank()) {
            let text = document.print(blank);
            let found = match read(&text) {
                Policy::Unreadable => None,
                Policy::Allows(principals) => Some(principals),
            };
            prop_assert_eq!(&found, &second::policy(&text));
            let sorted = found.map(|mut principals| {
                principals.sort();
                principals
            });
            prop_assert_eq!(sorted, sorted_principals(&document.value()));
        }
    }
}
