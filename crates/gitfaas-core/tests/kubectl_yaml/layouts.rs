//! Mappings, merges, documents, and what is read in two ways.

/// Whole values of `spec`.
pub(crate) const SPECS: &[&str] = &[
    "  1: a\n  1.5: b\n  1e6: c\n  .inf: d\n  0x10: e\n  yes: f\n  n: g\n  2001-01-01: h\n  -0.25: i\n  123456.0: j",
    "  ~: a",
    "  : a",
    "  9223372036854775808: a",
    "  1234567.5: a\n  1e-5: b\n  0.0001: c",
    "  [a]: b",
    "  {a: b}: c",
    "  ? a\n  : b\n  ? c",
    "  x: &x {a: 1, b: 2}\n  y:\n    <<: *x\n    a: 3",
    "  x: &x {a: 1, b: 2}\n  y:\n    a: 3\n    <<: *x",
    "  x: &x {a: 1}\n  y: &y {a: 2, b: 3}\n  z:\n    <<: [*x, *y]",
    "  x: &x {a: 1}\n  z:\n    \"<<\": *x",
    "  x: &x {a: 1}\n  z:\n    !!merge <<: *x",
    "  z:\n    <<: {a: {b: 1}}\n    c: 1",
    "  z:\n    <<: 5",
    "  z:\n    <<: [{a: 1}, 5]",
    "  x: &x [1, {a: *x}]",
    "  x: &x 1\n  y: *x\n  z: &x 2\n  w: *x",
    "  x: &x yes\n  *x : 1",
    "  x: *missing",
    "  - a\n  - - b\n    - c\n  - d: 1\n    e: 2",
    "- a\n- b",
    "  a:\n  - 1\n  b: # comment\n    # comment\n    c: 1",
    "  a: |\n   x\n  # comment\n  b: 1",
    "    a: 1\n  b: 2",
    "  a: 1\n   b: 2",
    "\ta: 1",
    "  a:\n\t- 1",
    "  a:\tb",
    "  a: 1 # \u{1f600}\n  b: 'x # y'",
    "  a: \"x\\\n     y\"",
    "  a: !!map {b: 1}\n  c: !!seq [1]\n  d: !x {e: 1}",
    "  a: {x: 1,\n  y: 2}",
    "  a: [\n  1,\n  2\n  ]",
    "  a: >\n    x\n    y\n\n\n    z\n  b: |\n\n    x",
    "  a: ''\n  b: \"\"",
];

/// Whole files.
pub(crate) const FILES: &[&str] = &[
    "\u{feff}apiVersion: v1\nkind: Example\nmetadata: {name: x}\n",
    "apiVersion: v1\r\nkind: Example\r\nmetadata:\r\n  name: x\r\nspec:\r\n  a: |\r\n    b\r\n    c\r\n  d: 'e\r\n    f'\r\n",
    "---\n---\n# nothing\n---\napiVersion: v1\nkind: Example\nmetadata: {name: x}\n---\n\n---\napiVersion: v1\nkind: Other\nmetadata: {name: z}\n",
    "--- # first\napiVersion: v1\nkind: Example\nmetadata: {name: x}\n...\n",
    "{\"apiVersion\": \"v1\", \"kind\": \"Example\", \"metadata\": {\"name\": \"x\"}, \"spec\": {\"a\": [1, 1.5, 1e3, null, true, \"\\u00e9\\n\"]}}",
    "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Example\",\n\t\"metadata\": {\"name\": \"x\"}\n}\n",
    "apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec:\n  a: |\n    b",
    "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Example\n  metadata: {name: x}\n- apiVersion: v1\n  kind: Other\n  metadata: {name: z}\n",
    "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: x}\n",
    "apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: {a: \"b\nc\"}\n",
    "- a\n",
    "a\n",
    "apiVersion: v1\nkind: Example\nmetadata: {name: x}\n--\n",
];

/// What `kubectl` refuses, and what it means here: YAML of today, and what JSON allows in strings.
pub(crate) const READ_HERE: &[(&str, &str)] = &[
    ("%YAML 1.1\n---\napiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: x\n", "x"),
    ("apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: \"\\/\"\n", "/"),
    ("apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: \"\\ud83d\\ude00\"\n", "\u{1f600}"),
    ("apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: |\n  \tx\n", "\tx\n"),
];

/// What `kubectl` reads, and what is refused here on purpose: two meanings of one file.
pub(crate) const REFUSED_HERE: &[&str] = &[
    "apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: {a: 1, a: 2}\n",
    "apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: {1: 1, 0x1: 2}\n",
    "apiVersion: v1\nkind: Example\nmetadata: {name: x}\nspec: |\n  a\u{2028}  b\n",
];
