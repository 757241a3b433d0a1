"""Templates and files for property tests: well-formed ones, and soup."""

from __future__ import annotations

from hypothesis import strategies as st

WORDS = st.text(alphabet=st.sampled_from("ab é😀.,-\n \t'\""), min_size=1, max_size=12)
NAMES = st.sampled_from(["text", "name", "items", "flag", "missing"])

_PIECES = [
    "{{", "}}", "{{{", "}}}", "{{{{", "}}}}", "{{~", "~}}", "{{!--", "--}}", "{{!", "{{#if x}}", "{{#each xs}}",
    "{{else}}", "{{/if}}", "{{/each}}", "{{text}}", "{{a.b}}", "{{@root.c}}", "{{> part}}", "\\", "\\{{", '"', "'",
    "(", ")", "|", " as |i j|", '{{role "system"}}', '{{role "user"}}', "{{history}}", "{{{{raw}}}}",
    "{{{{/raw}}}}", "{{!-- apo:keep --}}", "{{!-- apo:end --}}", "{{!-- apo:exemplars --}}", "---", "\n", "\r\n",
    "\r", " ", "word", "é", "😀", "\0", "\ufeff", "key: value", "apo.examples: [", "&a ", "*a", "- ", "\t", "\u2028",
]  # fmt: skip
SOUP = st.lists(st.sampled_from(_PIECES), max_size=40).map("".join)
FILES = SOUP | st.tuples(SOUP, SOUP).map(lambda parts: f"---\n{parts[0]}\n---\n{parts[1]}") | st.text(max_size=60)


def _block(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(NAMES, inner, inner).map(lambda p: f"{{{{#if {p[0]}}}}}{p[1]}{{{{else}}}}{p[2]}{{{{/if}}}}"),
        st.tuples(NAMES, inner).map(lambda p: f"{{{{#unless {p[0]}}}}}{p[1]}{{{{/unless}}}}"),
        inner.map(lambda body: f"{{{{#each items}}}}{body}{{{{this}}}}{{{{@index}}}}{{{{/each}}}}"),
        st.tuples(NAMES, inner).map(lambda p: f'{{{{#ifEquals {p[0]} "a"}}}}{p[1]}{{{{/ifEquals}}}}'),
    )


LEAVES = st.one_of(
    WORDS,
    NAMES.map(lambda name: f"{{{{{name}}}}}"),
    NAMES.map(lambda name: f"{{{{{{{name}}}}}}}"),
    NAMES.map(lambda name: f"{{{{~{name}~}}}}"),
    NAMES.map(lambda name: f"{{{{json {name}}}}}"),
    st.sampled_from(["{{! note }}", "{{!-- a }} note --}}", "\\{{plain", '{{section "s"}}', "\n"]),
)
BODIES = st.recursive(LEAVES, _block, max_leaves=6)
ROLES = st.sampled_from(['{{role "system"}}', '{{role "user"}}', '{{role "model"}}', "{{history}}"])
TEMPLATES = st.lists(BODIES | ROLES, min_size=1, max_size=8).map("".join)
VALUES = st.one_of(st.text(max_size=10), st.booleans(), st.integers(-5, 5), st.none())
INPUTS = st.fixed_dictionaries(
    {},
    optional={
        "text": st.text(max_size=20),
        "name": VALUES,
        "flag": VALUES,
        "items": st.lists(st.text(max_size=4), max_size=3),
    },
)
