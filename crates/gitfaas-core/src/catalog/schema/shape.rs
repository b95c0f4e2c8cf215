//! How much a schema can ask of one value: bounded before it is compiled.
//!
//! A few lines can say `allOf` two of these, each of which is two of those, and so on: as many checks as atoms in the
//! world. Here each schema is counted as often as it would be visited, with a limit; one that leads to itself is counted
//! once on the way, because visits of such are remembered while a message is checked.

use std::collections::{HashMap, HashSet};

use crate::problem::Position;
use crate::yaml::{Node, Value};

/// Schemas that are visited for one value and all below it, each as often as it is reached.
const MOST_VISITS: u64 = 20_000;
/// Schemas within schemas, references followed.
const MOST_LEVELS: usize = 100;

/// Keywords whose value is a schema, or a list of them.
const SCHEMAS: [&str; 14] = [
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
];
/// Keywords whose value has a schema under each key.
const NAMED_SCHEMAS: [&str; 4] = ["dependencies", "dependentSchemas", "patternProperties", "properties"];
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// What is known of a schema that keeps the limits.
#[derive(Debug)]
pub(super) struct Shape {
    /// Whether a part of it leads to itself.
    pub(super) is_recursive: bool,
}

/// Where and why a schema is refused, and what to do.
pub(super) type Refusal = (Position, String, &'static str);

/// Measures a schema.
pub(super) fn of(root: &Node) -> Result<Shape, Refusal> {
    // There an `id` makes a part of the file a resource of its own, in which the same reference means something else.
    if let Some(Node { value: Value::String(dialect), position, .. }) = root.get("$schema")
        && dialect.contains("draft-04")
    {
        return Err((*position, "draft-04 is not read".to_owned(), "write it for draft-06 or newer"));
    }
    let mut anchors = HashMap::new();
    collect_anchors(root, true, &mut anchors)?;
    let mut walk = Walk { root, anchors, counted: HashMap::new(), open: HashSet::new(), is_recursive: false };
    walk.visits(root, 0)?;
    // What nothing refers to is no use, and still compiled.
    for definitions in ["$defs", "definitions"].iter().filter_map(|key| root.get(key)) {
        if let Value::Mapping(entries) = &definitions.value {
            entries.iter().try_for_each(|entry| walk.visits(&entry.value, 1).map(drop))?;
        }
    }
    Ok(Shape { is_recursive: walk.is_recursive })
}

/// The schemas that have a name inside the file. How deep the tree goes is bounded by its parser.
fn collect_anchors<'n>(node: &'n Node, is_root: bool, anchors: &mut HashMap<&'n str, &'n Node>) -> Result<(), Refusal> {
    let below: Vec<&Node> = match &node.value {
        Value::Mapping(entries) => entries.iter().map(|entry| &entry.value).collect(),
        Value::Sequence(items) => items.iter().collect(),
        _ => return Ok(()),
    };
    for key in ["$anchor", "$dynamicAnchor"] {
        if let Some(Node { value: Value::String(name), .. }) = node.get(key) {
            anchors.insert(name, node);
        }
    }
    for key in ["$id", "id"] {
        let Some(Node { value: Value::String(id), position, .. }) = node.get(key) else { continue };
        match id.strip_prefix('#') {
            Some(name) => drop(anchors.insert(name, node)),
            // `id` is an ordinary word in an example or a default.
            None if is_root || key == "id" => {}
            None => {
                let message = "a schema inside of the schema has an `$id` of its own".to_owned();
                return Err((*position, message, "name it by `$anchor`, or refer to it by its place: `#/$defs/…`"));
            }
        }
    }
    below.into_iter().try_for_each(|node| collect_anchors(node, false, anchors))
}

struct Walk<'n> {
    root: &'n Node,
    anchors: HashMap<&'n str, &'n Node>,
    /// What is below each schema that was walked through: visits, and levels.
    counted: HashMap<*const Node, (u64, usize)>,
    /// The schemas that the walk is inside of.
    open: HashSet<*const Node>,
    is_recursive: bool,
}

impl<'n> Walk<'n> {
    /// How often schemas are visited from this one on, and how many levels it has.
    fn visits(&mut self, node: &'n Node, level: usize) -> Result<(u64, usize), Refusal> {
        let Value::Mapping(entries) = &node.value else { return Ok((1, 1)) };
        let known = self.counted.get(&std::ptr::from_ref(node)).copied();
        if level + known.map_or(1, |(_, levels)| levels) > MOST_LEVELS {
            let message = format!("schemas are nested more than {MOST_LEVELS} deep here, references followed");
            return Err((node.position, message, "make it flatter"));
        }
        if let Some(known) = known {
            return Ok(known);
        }
        if !self.open.insert(node) {
            self.is_recursive = true;
            return Ok((1, 1));
        }
        let (mut visits, mut levels) = (1_u64, 1);
        for entry in entries {
            // To know what was evaluated, all that applies in place is visited again, on each level.
            if entry.key.starts_with("unevaluated") {
                let message = format!("`{}` is not read: what it costs cannot be bounded", entry.key);
                return Err((
                    entry.position,
                    message,
                    "say what else may be there with `additionalProperties` or `items`",
                ));
            }
            for schema in self.below(&entry.key, &entry.value)? {
                let (more, deep) = self.visits(schema, level + 1)?;
                visits = visits.saturating_add(more);
                levels = levels.max(deep + 1);
            }
        }
        if visits > MOST_VISITS {
            let message = format!("this asks for more than {MOST_VISITS} checks of one value");
            return Err((node.position, message, "refer to fewer schemas from `allOf`, `anyOf` and the like"));
        }
        self.open.remove(&std::ptr::from_ref(node));
        self.counted.insert(node, (visits, levels));
        Ok((visits, levels))
    }

    /// The schemas that a keyword applies.
    fn below(&self, key: &str, value: &'n Node) -> Result<Vec<&'n Node>, Refusal> {
        Ok(match &value.value {
            Value::Sequence(items) if SCHEMAS.contains(&key) => items.iter().collect(),
            Value::Mapping(entries) if NAMED_SCHEMAS.contains(&key) => {
                entries.iter().map(|entry| &entry.value).collect()
            }
            _ if SCHEMAS.contains(&key) => vec![value],
            Value::String(to) if REFERENCES.contains(&key) => vec![self.target(to, value.position)?],
            _ => Vec::new(),
        })
    }

    fn target(&self, to: &str, position: Position) -> Result<&'n Node, Refusal> {
        let shown: String = to.chars().take(200).flat_map(char::escape_debug).collect();
        let own = match self.root.get("$id").map(|id| &id.value) {
            Some(Value::String(id)) => to.strip_prefix(id.as_str()),
            _ => None,
        };
        let local = own.filter(|rest| rest.is_empty() || rest.starts_with('#')).unwrap_or(to);
        let Some(fragment) = local.strip_prefix('#').or_else(|| local.is_empty().then_some("")) else {
            let message = format!("`{shown}` is outside of this file, and nothing else is read");
            return Err((position, message, "put it under `$defs` of this file and write `#/$defs/…`"));
        };
        let found = match fragment {
            "" => Some(self.root),
            pointer if pointer.starts_with('/') => follow(self.root, pointer),
            name => self.anchors.get(name).copied(),
        };
        found.ok_or_else(|| (position, format!("`{shown}` leads nowhere in this file"), "see how it is spelt"))
    }
}

/// Where a pointer leads, as it stands in a reference: with `%` for what a URL cannot have.
fn follow<'n>(root: &'n Node, pointer: &str) -> Option<&'n Node> {
    pointer.split('/').skip(1).try_fold(root, |node, step| {
        let step = decoded(step)?.replace("~1", "/").replace("~0", "~");
        match &node.value {
            Value::Sequence(items) => items.get(step.parse::<usize>().ok()?),
            _ => node.get(&step),
        }
    })
}

fn decoded(step: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(step.len());
    let mut rest = step.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (hex, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}
