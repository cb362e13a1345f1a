"""Small templates for jinja_world.py: hand-picked ones, and combinations of values and operations."""

import itertools

CONTEXT = {
    "n": 7, "z": 0, "neg": -3, "f": 2.5, "big": 1e16, "tiny": 1.5e-7, "t": True, "no": False,
    "nil": None, "s": "Hello World", "e": "", "u": "Grüße 日本 🦙 ß", "sp": "  a b\t\n c  ",
    "l": [3, 1, 2], "el": [], "ls": ["b", "a", "C"], "mix": [1, "a", None, 2.5, True, [1], {"k": 1}],
    "d": {"b": 1, "a": 2, "items": 3, "nested": {"x": [1, 2, {"y": "z"}]}}, "ed": {},
    "users": [
        {"name": "Bob", "age": 30, "city": "x", "tags": ["q"]},
        {"name": "alice", "age": 25, "city": "Y"},
        {"name": "Cy", "age": 30, "city": "X", "tags": []},
    ],
    "lines": "one\ntwo\n\n  three\r\nfour", "html": "<a href=\"x\">T&'t</a>", "num": "42", "fnum": " 3.7e2 ",
}

VALUES = ["1", "0", "-2", "7", "2.5", "-0.5", "true", "false", "none", "'a'", "''", "'ab'", "[]", "[1, 2]",
          "['a', 'b']", "(1, 'x')", "{}", "{'a': 1}", "undef", "range(3)", "1e20", "'%s'"]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
TESTS = ["defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number", "string",
         "mapping", "sequence", "iterable", "callable", "odd", "even", "lower", "upper", "escaped",
         "divisibleby 2", "sameas none", "sameas true", "in [1, 'a', none]", "eq 1", "ne 1", "lt 2", "gt 'a'",
         "equalto('a')", "filter", "test"]
FILTERS = ["abs", "capitalize", "count", "length", "default('x')", "d('x', true)", "dictsort", "e", "escape",
           "first", "float", "float(1.5)", "forceescape", "int", "int(5)", "int(0, 16)", "join", "join('-')",
           "last", "list", "lower", "items|list", "max", "min", "reverse|list",
           "round", "round(1)", "round(1, 'floor')", "round(-1)", "round(0, 'ceil')", "safe", "string", "sum",
           "title", "trim", "trim('a')", "unique|list", "upper", "wordcount", "tojson", "tojson(indent=2)",
           "tojson(true)", "tojson(separators=(',', ':'))", "tojson(sort_keys=true)", "tojson(indent='\t')",
           "sort", "sort(reverse=true)", "sort(case_sensitive=true)", "batch(2)|list", "batch(2, 'x')|list",
           "slice(2)|list", "slice(2, 'x')|list", "map('upper')|list", "select|list", "reject('none')|list",
           "select('string')|list", "center(15)", "center(16)", "indent", "indent(2, true)", "indent('>> ', blank=true)",
           "truncate(5)", "truncate(8, true)", "truncate(5, false, '~', 0)", "replace('l', 'L')", "replace('', '-')",
           "replace('o', '0', 1)", "urlencode", "striptags", "filesizeformat", "filesizeformat(true)", "format(1, 'x')",
           "attr('upper')|string|length > 0", "xmlattr", "map(attribute='x')|list", "groupby(0)|list", "nosuch"]
SUBJECTS = ["n", "neg", "f", "big", "tiny", "t", "nil", "s", "e", "u", "sp", "l", "el", "ls", "mix", "d", "ed",
            "users", "lines", "html", "num", "fnum", "undef", "range(5)", "(1, 2)", "d.items()", "d.keys()",
            "l|map('string')", "'%d %s'"]
METHODS = ["strip()", "lstrip()", "rstrip()", "strip('H d')", "split()", "split('l')", "split(' ', 1)", "rsplit('l', 1)",
           "rsplit(none, 1)", "split(maxsplit=1)", "splitlines()", "splitlines(true)", "upper()", "lower()", "title()",
           "capitalize()", "swapcase()", "startswith('H')", "startswith(('x', 'H'))", "endswith('d')", "endswith('o', 0, 5)",
           "replace('l', 'LL')", "replace('l', 'L', 1)", "replace('', '.')", "find('o')", "find('o', 5)", "rfind('o')",
           "find('zz')", "index('o')", "index('zz')", "rindex('o')", "count('l')", "count('')", "count('l', 3, -1)",
           "join(['a', 'b'])", "join('xyz')", "join([1])", "partition(' ')", "rpartition('l')", "partition('zz')",
           "rpartition('zz')", "removeprefix('He')", "removesuffix('ld')", "zfill(15)", "ljust(15, '.')", "rjust(15)",
           "center(16, '*')", "center(15)", "isdigit()", "isalpha()", "isalnum()", "isspace()", "isupper()", "islower()",
           "istitle()", "isascii()", "isidentifier()", "isnumeric()", "isdecimal()", "isprintable()", "expandtabs()",
           "expandtabs(4)", "format(1)", "casefold()|length", "get('a')", "get('zz')", "get('zz', 5)", "items()|list", "keys()|list",
           "values()|list", "count(1)", "index(1)", "copy()", "append(1)", "pop()", "pop('a')", "update({})", "clear()",
           "__class__", "__len__()", "nosuch", "nosuch()", "nosuch.deeper", "items", "0", "1.name"]
SLICES = ["0", "-1", "5", "-9", "1:", ":2", "::2", "::-1", "-2:", ":-1", "2:0:-1", "10:", ":", "none:2", "::0", "'a'",
          "'b'", "none", "1.5", "true", "1, 2", "'nosuch'"]
FORMATS = ["d", "5d", "-5d", "05d", "+d", " d", "x", "#x", "X", "o", "#o", "f", ".2f", "8.3f", "-8.1f", "+.1f", "08.2f", "e",
           ".3e", "g", ".3g", "#g", "G", "s", "10s", "-10s", ".2s", "r", "c", "i", "u", "%", "5%"]
SPECS = ["", "5", "<5", ">5", "^5", "*^9", "05", "+", " ", "d", "5d", "x", "#x", "#b", "o", ",", "_", ",.2f", ".2f", "8.3f",
         "e", ".2e", "g", ".3g", "%", ".1%", "s", "10s", ".2s", "c", "n", "=+8", "0=8", ">08"]

STATEMENTS = [
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}|{% endfor %}",
    "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
    "{% for x in l %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}",
    "{% for x in el %}a{% else %}none{% endfor %}", "{% for x in l %}{% break %}{% else %}else{% endfor %}",
    "{% for x in l %}{% continue %}{% else %}else{% endfor %}", "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% else %}e{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% else %}e{% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.index }}:{{ x }}:{{ loop.length }}:{{ loop.last }} {% endfor %}",
    "{% for x in l if x > 1 %}{{ loop.nextitem }}-{{ loop.revindex }} {% endfor %}", "{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in l if loop.first %}{{ x }}{% endfor %}", "{% for a, b in d.items() %}{{ a }}={{ b }};{% endfor %}",
    "{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }}{% endfor %}", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}",
    "{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}", "{% for a, b in [1] %}{{ a }}{% endfor %}", "{% for a, b in ['xy'] %}{{ a }}{{ b }}{% endfor %}",
    "{% for x in d %}{{ x }}{% endfor %}", "{% for x in 'abc' %}{{ x }}{% endfor %}", "{% for x in n %}{% endfor %}", "{% for x in undef %}{% else %}u{% endfor %}",
    "{% for x in nil %}{% endfor %}", "{% for x in 1, 2 %}{{ x }}{% endfor %}", "{% for x in [1, 2] + [3] %}{{ x }}{% endfor %}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in l %}{{ loop.cycle() }}{% endfor %}",
    "{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }}{% endfor %}", "{% for x in l %}{% for y in l %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in l %}{% set o = loop %}{% for y in ls %}{{ o.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for x in [[1, [2, 3]], [4]] recursive %}({% if x is sequence %}{{ loop(x) }}{% else %}{{ x }}@{{ loop.depth }}{% endif %}){% endfor %}",
    "{% for x in [1] recursive %}{{ loop.depth0 }}{{ loop([]) }}{% else %}E{% endfor %}", "{% for x in l %}{{ loop(x) }}{% endfor %}",
    "{% for x in l %}{{ loop }}{% endfor %}", "{{ loop }}", "{{ loop.index }}", "{% for x in l %}{{ loop.nosuch }}{% endfor %}", "{% for loop in l %}{% endfor %}",
    "{% for x in l %}{% set loop = 1 %}{% endfor %}", "{% set loop = 1 %}{{ loop }}",
    "{% set x = 1 %}{% for i in l %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}", "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% if false %}{% set n = 1 %}{% endif %}{{ n }}", "{% for i in l %}{{ n }}{% endfor %}{% set n = 1 %}{{ n }}", "{{ n }}{% set n = 1 %}{{ n }}",
    "{% for i in l %}{{ n }}{% set n = i %}{{ n }};{% endfor %}{{ n }}", "{% for i in l %}{% if loop.first %}{% set n = 5 %}{% endif %}{{ n }}{% endfor %}",
    "{% macro m() %}{{ n }}{% endmacro %}{{ m() }}{% set n = 9 %}{{ m() }}", "{% macro m() %}{% set n = 3 %}{{ n }}{% endmacro %}{{ m() }}{{ n }}",
    "{% macro m() %}{{ y }}{% endmacro %}{% set y = 9 %}{{ m() }}", "{% macro m() %}{{ y }}{% endmacro %}{{ m() }}{% set y = 9 %}", "{{ m() }}{% macro m() %}1{% endmacro %}",
    "{% for i in l %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}{{ m }}", "{% set ns = namespace(a=1) %}{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}",
    "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns.c }}{{ ns.c is defined }}{{ ns }}", "{% set ns.a = 1 %}", "{% set d.a = 1 %}", "{% set ns = namespace() %}{% set ns.a, ns.b = 1, 2 %}{{ ns.a }}{{ ns.b }}",
    "{% set ns = namespace() %}{{ ns['a'] }}{% set ns.a = ns %}{{ ns.a.a.a is defined }}", "{{ namespace(1) }}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a, b = l %}", "{% set (a, b) = (1, 2) %}{{ a }}{{ b }}", "{% set a = 1, 2 %}{{ a }}",
    "{% set a = b = 1 %}", "{% set 1 = 2 %}", "{% set none = 2 %}", "{% set x %}a{{ n }}b{% endset %}[{{ x }}]", "{% set x | upper %}abc{% endset %}{{ x }}", "{% set x | replace('a', 'b') | upper %}abc{% endset %}{{ x }}",
    "{% set x %}{% set y = 1 %}{{ y }}{% endset %}{{ x }}{{ y }}", "{% macro m(a, b=2, c='x' ~ b) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }}|{{ m(1, 3) }}|{{ m(c=1, a=2) }}|{{ m() }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}{{ m(1) }}", "{% macro m(a) %}{{ a.b }}{% endmacro %}{{ m() }}",
    "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}", "{% macro m() %}{{ kwargs }}{% endmacro %}{{ m(*[], **{'a': 1}) }}", "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 1, 'b': 2}) }}{{ m(1, **{'b': 3}) }}",
    "{% macro m(x) %}<{{ caller() }}{{ x }}>{% endmacro %}{% call m(1) %}body{% endcall %}", "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) m() %}{{ a + b }}{% endcall %}",
    "{% macro m() %}{{ caller(1) }}{% endmacro %}{% call(a, b=5) m() %}{{ a + b }}{% endcall %}", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}", "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ caller() }}{% endmacro %}{{ m() }}",
    "{% call 1 %}{% endcall %}", "{% macro m(n) %}{{ n }}{% if n > 0 %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(5) }}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% macro m(a, a2=1, b) %}{% endmacro %}", "{{ m }}", "{% macro m() %}{% endmacro %}{{ m }}{{ m.name }}",
    "{% macro m(caller=3) %}{{ caller }}{% endmacro %}{{ m() }}", "{% macro _p(x) %}{{ x }}{% endmacro %}{{ _p(2) }}", "{% filter upper %}abc{{ s }}{% endfilter %}", "{% filter replace('a', 'b') | trim %}  aa {% endfilter %}", "{% filter nosuch %}{% endfilter %}", "{% if false %}{% filter nosuch %}{% endfilter %}{% endif %}",
    "{% with a=1, b=2 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% set a = 5 %}{% with a=1, b=a %}{{ a }}{{ b }}{% endwith %}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}", "{% with a, b = (1, 2) %}{{ a }}{% endwith %}", "{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if z %}a{% elif e %}b{% elif l %}c{% else %}d{% endif %}", "{% if undef %}a{% else %}b{% endif %}",
    "{% if undef.x %}a{% endif %}", "{% if not undef %}a{% endif %}", "{% if n if t else z %}y{% endif %}", "{% generation %}{% set q = 1 %}{{ q }}{% endgeneration %}{{ q }}", "{% raw %}{{ x }}{% y %}{# z #}{% endraw %}", "a {%- raw -%} b {%- endraw -%} c", "{% raw %}\n  x\n  {% endraw %}\ny", "{% raw %}", "{# c #}x{#- d -#} y", "a\n{# c #}\nb", "a {# unfinished", "{# {{ }} {% %} #}x",
    "  {% if t %}\n  x\n  {% endif %}\n  y", "  {%+ if t %}\n  x\n  {%+ endif %}\ny", "  {%- if t -%}  x  {%- endif -%}  y", "a\n\n  {%- if t %}\n\nb{% endif +%}\n\nc", "a {{- 1 -}} b", "a\n{{ 1 }}\nb\n", "a\n\n", "\n", "", "\n\n", "  {{ 1 }}", "\t{% if t %}x{% endif %}\t\n", "a  {% if t %}x{% endif %}", "a\r\nb\rc\n", "{% if t %}\r\nx{% endif %}", "{%if t%}x{%endif%}", "{{1}}{{'}}'}}{{ {'a':{}} }}", "{{ {'a': {'b': 1}}['a']['b'] }}",
    "{{ 'a' 'b' \"c\" }}", "{{ '\\n\\t\\x41\\u00e9\\'\\\"\\\\ \\q' }}", "{{ \"a\\\nb\" }}", "{{ '\\101\\0' }}", "{{ '\\N{DASH}' }}" if False else "{{ '' }}", "{{ 1_000 }}{{ 0x1F }}{{ 0b11 }}{{ 0o17 }}{{ 1e3 }}{{ 1.5E-3 }}{{ 1_0.5 }}", "{{ 012 }}", "{{ 00 }}", "{{ 1. }}", "{{ .5 }}", "{{ 1.real }}", "{{ 1.5.real }}",
    "{{ l.0 }}{{ l.1 }}", "{{ l.0.real }}", "{{ d.nested.x.2.y }}", "{{ users.0.name }}", "{{ -n ** 2 }}", "{{ 2 ** 3 ** 2 }}", "{{ -2 ** 2 }}", "{{ 2 ** -1 }}", "{{ not 1 == 2 }}", "{{ 1 < 2 < 3 }}{{ 1 < 3 < 2 }}{{ 3 > 2 > 1 == 1 }}", "{{ 1 + 2 * 3 - 4 / 2 }}", "{{ 7 // 2 }}{{ -7 // 2 }}{{ 7 // -2 }}{{ -7 % 3 }}{{ 7 % -3 }}{{ 7.5 // 2 }}{{ -7.5 % 2 }}", "{{ 1 ~ 2 + 3 }}", "{{ 1 + 2 ~ 3 }}", "{{ 'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1] ~ undef }}",
    "{{ 'a' if t }}{{ 'a' if no }}", "{{ 'a' if no else 'b' if no else 'c' }}", "{{ ('a' if no).x }}", "{{ 1 if 2 if 0 else 3 else 4 }}", "{{ (1, 2)[0] }}{{ (1,) }}{{ () }}{{ (1) }}{{ 1, 2 }}", "{{ [1, 2,] }}{{ {'a': 1,} }}", "{{ x y }}", "{{ }}", "{{ 1 + }}", "{{ (1 }}", "{{ [1 }}", "{{ 1 ] }}", "{{ a.b. }}", "{{ @ }}", "{{ 'abc }}", "{% if %}", "{% if t %}", "{% endif %}", "{% nosuch %}", "{% %}", "{% for %}", "{% for x l %}{% endfor %}", "{% set %}", "{% else %}", "{% if t %}{% endfor %}", "{% macro %}{% endmacro %}", "{% break %}", "{% continue %}", "{% for x in l %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "{{ 1 is odd is even }}", "{{ 1 | nosuch }}", "{{ 1 is nosuch }}", "{{ 1 | nosuch if no else 2 }}", "{% if no %}{{ 1 | nosuch }}{% endif %}x", "{% if t %}{{ 1 | nosuch }}{% endif %}", "{% if no %}{% for i in l %}{{ i | nosuch }}{% endfor %}{% endif %}",
    "{% include 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}", "{% extends 'x' %}", "{{ range(3) }}{{ range(1, 5, 2)|list }}{{ range(5, 0, -2)|list }}{{ range(0)|list }}", "{{ range(200000) }}", "{{ range(100000)|length }}", "{{ range(1, 2, 0) }}", "{{ range(10)[2:5] }}{{ range(10)[::-3]|list }}{{ range(3)[-1] }}", "{{ 3 in range(5) }}", "{{ dict(a=1, b=2) }}{{ dict({'x': 1}, y=2) }}{{ dict([('k', 'v')]) }}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}", "{% set j = joiner('; ') %}{{ j() }}a{{ j() }}b", "{{ cycler() }}",
    "{{ raise_exception('bad ' ~ n) }}", "{% if no %}{{ raise_exception('x') }}{% endif %}ok", "{{ strftime_now('%Y-%m-%d %H:%M:%S %B %b %A %a %j %y %p %I %e %-d %-m %U %W %w %u %V %G %D %F %T %R %c %x %X %%') }}", "{{ strftime_now('%d %B %Y') }}", "{{ undef }}{{ undef|default('x') }}{{ undef.a }}", "{{ undef['a'] }}", "{{ d.zz }}{{ d.zz is defined }}", "{{ d.zz.y }}", "{{ d['zz']['y'] }}", "{{ nil.x }}", "{{ nil.x.y }}", "{{ l[9] }}", "{{ l[9].x }}", "{{ s.zz }}", "{{ s['upper']() }}", "{{ undef + 1 }}", "{{ undef ~ 1 }}", "{{ undef() }}", "{{ n() }}", "{{ undef == undef2 }}{{ undef == none }}{{ undef != 1 }}", "{{ undef in [1] }}{{ 1 in undef }}", "{{ undef < 1 }}", "{{ -undef }}", "{{ undef|length }}", "{{ undef|list }}", "{{ undef|join }}", "{{ undef|tojson }}", "{{ [undef] }}", "{{ [undef]|tojson }}", "{{ undef|upper }}", "{{ undef|int }}", "{{ undef|trim }}x", "{{ undef|items|list }}", "{{ undef|map('upper')|list }}", "{{ undef|selectattr('a')|list }}",
    "{{ d }}", "{{ mix }}", "{{ users }}", "{{ [1.0, 1e100, 1.5e-10, 0.1, 123456789.123, 1e15, 1e16, -0.0] }}", "{{ [\"it's\", 'say \"x\"', \"b'o\\\"th\", 'n\\n', 'é', '\\x00', '\\u200b'] }}", "{{ 'é' }}{{ ['é', '🦙', '\\x7f'] }}", "{{ none }}{{ true }}{{ [none, true] }}", "{{ {'a': (1, 2), 1: 'x', none: 2, 2.5: 3} }}", "{{ {'a': 1, 'a': 2} }}{{ {1: 'a', 1.0: 'b', true: 'c'} }}", "{{ {[1]: 2} }}", "{{ {(1, 2): 3}[(1, 2)] }}", "{{ {(1, 2): 3}[1, 2] }}", "{{ d.items() }}{{ d.keys() }}{{ d.values() }}", "{{ d.items }}" if False else "{{ d['items'] }}", "{{ d.items()|list|first }}", "{{ d.items()[0] }}", "{{ d.get('a') }}{{ d.get('q') }}{{ d.get('q', 'w') }}{{ d.get(key='a') }}" if False else "{{ d.get('a') }}{{ d.get('q') }}{{ d.get('q', 'w') }}",
    "{{ users|map(attribute='name')|join(', ') }}", "{{ users|map(attribute='zz')|list }}", "{{ users|map(attribute='zz', default='-')|join }}", "{{ users|map(attribute='tags.0', default='-')|list }}", "{{ users|selectattr('age', 'equalto', 30)|map(attribute='name')|list }}", "{{ users|selectattr('tags', 'defined')|list|length }}", "{{ users|selectattr('tags')|list|length }}", "{{ users|rejectattr('age', '>', 26)|list }}", "{{ users|selectattr('name', 'in', ['Bob', 'Cy'])|list|length }}", "{{ users|sort(attribute='age,name')|map(attribute='name')|list }}", "{{ users|sort(attribute='name', reverse=true)|map(attribute='name')|list }}", "{{ users|groupby('city')|list|length }}{% for c, us in users|groupby('city') %}{{ c }}:{{ us|length }};{% endfor %}", "{{ users|groupby('tags', default='none') }}", "{{ users|sum(attribute='age') }}{{ [1, 2]|sum(start=10) }}{{ ['a']|sum }}", "{{ users|max(attribute='age') }}", "{{ users|min(attribute='name') }}", "{{ users|unique(attribute='age')|map(attribute='name')|list }}", "{{ users|map('nosuch')|list }}", "{{ users|select('nosuch')|list }}", "{{ l|map }}", "{{ l|map('string')|map('length')|list }}", "{{ ls|map('replace', 'a', 'z')|list }}", "{{ d|dictsort }}{{ d|dictsort(true) }}", "{{ {'B': 2, 'a': 3, 'c': 1}|dictsort }}{{ {'B': 2, 'a': 3}|dictsort(by='value') }}{{ {'B': 2, 'a': 3}|dictsort(true, reverse=true) }}", "{{ ['b', 1]|sort }}", "{{ [[2, 1], [1, 5], [1, 2]]|sort }}", "{{ [1, 'a']|max }}", "{{ []|max }}{{ []|first }}{{ []|last }}", "{{ (l|map('abs'))|length }}", "{% set g = l|map('abs') %}{{ g|list }}{{ g|list }}", "{% set g = l|map('abs') %}{{ g|first }}{{ g|list }}", "{{ l|map('abs')|last }}", "{{ l|map('abs')|tojson }}", "{{ (l|map('abs'))[0] }}", "{{ l|map('abs') is iterable }}{{ l|map('abs') is sequence }}", "{{ 1 in l|map('abs') }}", "{{ l|reverse|first }}", "{{ 'abc'|reverse }}", "{{ d|list }}{{ d|first }}{{ d|last }}{{ d|length }}{{ d|join }}",
    "{{ '<b>'|safe ~ '<i>' }}", "{{ '<b>'|safe + '<i>' }}", "{{ '<i>' + '<b>'|safe }}", "{{ ('<b>'|safe)|upper + '<' }}", "{{ '<b>'|e }}{{ ('<b>'|e)|e }}{{ ('<b>'|e)|forceescape }}", "{{ ['<b>'|safe] }}", "{{ ('<b>'|safe)|tojson }}", "{{ ('%s'|safe) % '<' }}", "{{ ('%s'|safe)|format('<') }}", "{{ ('{}'|safe).format('<') }}", "{{ ('-'|safe).join(['<', '>'|safe]) }}", "{{ ('a-b'|safe).split('-') }}", "{{ ('ab'|safe)[0] + '<' }}", "{{ ('<'|safe).replace('<', '>') }}", "{{ ('<'|safe)|replace('<', '>') + '<' }}", "{{ ('<'|safe)|trim + '<' }}", "{{ ('<'|safe)|string + '<' }}", "{{ ('<'|safe) * 2 + '<' }}", "{{ ('<'|safe) is escaped }}{{ '<' is escaped }}", "{{ ('x'|safe) == 'x' }}", "{{ {'a': 1}['a'|safe] }}", "{{ '<' ~ ('<'|safe) + '<' }}", "{{ d|tojson|safe }}{{ '<a>' + d|tojson }}", "{{ [('<'|safe), '<']|join('>') }}",
    "{{ 'a' 'b' if t }}", "{{ s[::-1] }}{{ u[::-1] }}{{ u[6:8] }}{{ u|length }}{{ u[-1] }}", "{{ 'x' * 3 }}{{ 3 * 'x' }}{{ [1] * 2 }}{{ 'x' * -1 }}", "{{ true + true }}{{ true * 2.5 }}{{ -true }}", "{{ 1 / 0 }}", "{{ 1 // 0 }}", "{{ 1 % 0 }}", "{{ 1.0 / 0 }}", "{{ 10 / 2 }}{{ 10 // 2 }}{{ 3 / 2 }}", "{{ 0.1 + 0.2 }}", "{{ 1e308 * 10 }}", "{{ 5 is divisibleby 5 }}{{ 5 is divisibleby(2) }}", "{{ 5 is not odd }}{{ not 5 is odd }}", "{{ 'a' is in 'abc' }}", "{{ 1 is in([1, 2]) }}", "{{ n is sameas n }}{{ l is sameas l }}", "{{ s is string and n is number }}", "{{ [1, [2, 3]] == [1, [2, 3]] }}{{ (1, 2) == [1, 2] }}{{ {'a': 1} == {'a': 1.0} }}", "{{ 'b' in d }}{{ 1 in d }}{{ 'ell' in s }}{{ 1 in s }}", "{{ [] in d }}", "{{ s|int }}{{ '12abc'|int(-1) }}{{ ' 42 '|int }}{{ '1_000'|int }}{{ '0x1f'|int(0, 16) }}{{ '-3.9'|int }}{{ 3.99|int }}{{ 'inf'|int }}{{ true|int }}{{ '٣'|int }}" if False else "{{ '12abc'|int(-1) }}{{ ' 42 '|int }}{{ '1_000'|int }}{{ '0x1f'|int(0, 16) }}{{ '-3.9'|int }}{{ 3.99|int }}{{ 'inf'|int }}{{ true|int }}", "{{ 'nan'|float }}{{ '1e5'|float }}{{ '-inf'|float }}{{ '.5'|float }}{{ '5.'|float }}{{ 'x'|float }}", "{{ 2.675|round(2) }}{{ 2.5|round }}{{ 3.5|round }}{{ -2.5|round }}{{ 1234|round(-2) }}{{ 2.345|round(2, 'ceil') }}{{ 25|round(-1) }}{{ 35|round(-1) }}{{ 1e22|round }}", "{{ '%(a)s-%(b)05.1f' % {'a': 1, 'b': 2} }}", "{{ '%s %s' % (1, 2) }}{{ '%s' % [1] }}{{ '%d%%' % 5 }}{{ '%s' % (1, 2) }}", "{{ '%*d' % (5, 42) }}", "{{ '%s %s' % 1 }}", "{{ '%z' % 1 }}", "{{ '%' % 1 }}", "{{ '{} {}'.format(1, 'a') }}{{ '{1}{0}'.format(1, 2) }}{{ '{a}{b!r}'.format(a=1, b='x') }}{{ '{0[a]}{0[b]}'.format(d) }}{{ '{0.a}'.format(d) }}{{ '{{}}'.format() }}{{ '{:>{w}}'.format(1, w=5) }}", "{{ '{'.format() }}", "{{ '}'.format() }}", "{{ '{}'.format() }}", "{{ '{x}'.format() }}", "{{ '{0.__class__}'.format(1) }}", "{{ '{:d}'.format('a') }}", "{{ '{a}'.format_map({'a': 1}) }}",
    "{{ s.__class__ }}{{ s.__class__ is defined }}", "{{ s.__class__.__mro__ }}", "{{ ''['__class__'] }}", "{{ l.append }}{{ l.append is defined }}", "{{ l.append(1) }}", "{% set _ = l.append(1) %}", "{{ d.update({}) }}", "{{ d.pop('a') }}", "{{ l|attr('append') }}", "{{ s|attr('upper') is callable }}{{ d|attr('a') }}", "{{ s.upper is callable }}{{ range is callable }}{{ n is callable }}{{ namespace is callable }}", "{{ 1.5.is_integer() }}{{ (2.0).is_integer() }}{{ (5).bit_length() }}", "{{ lines|indent }}", "{{ lines|indent(2, blank=true) }}", "{{ lines.splitlines() }}", "{{ '\\n'.join(['a', 'b']) }}", "{{ d|tojson(indent=4) }}", "{{ mix|tojson }}", "{{ u|tojson }}{{ u|tojson(ensure_ascii=true) }}", "{{ {'a': {}, 'b': []}|tojson(indent=2) }}", "{{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }}", "{{ {(1, 2): 3}|tojson }}", "{{ range(3)|tojson }}", "{{ '\\x00\\x1f\\x7f\\u2028\"\\\\/'|tojson }}", "{{ [1.0, 1e100, 1e-7, 100000000000000000.0]|tojson }}", "{{ mix|tojson(separators=(',', ':')) }}", "{{ d|tojson(indent=2, separators=(', ', ' : ')) }}", "{{ d|tojson(sort_keys=true, indent=1) }}", "{{ ns|tojson }}", "{{ x|tojson(nosuch=1) }}",
    "{% print 1 %}", "{% print 1, 2 %}", "{% block a %}x{{ n }}{% endblock %}", "{% block a %}x{% endblock a %}", "{% set x = [] %}{% for i in l %}{% set x = x + [i] %}{% endfor %}{{ x }}", "{% for k, v in d|dictsort %}{{ k }}{% if not loop.last %}, {% endif %}{% endfor %}", "{% for u in users %}{{ u.name }}{% for t in u.tags %}{{ t }}{% else %}-{% endfor %}{% endfor %}", "{% for u in users|rejectattr('tags') %}{{ u.name }}{% endfor %}", "{{ users[0].tags[0] }}{{ users[-1]['name'] }}{{ users[1:]|length }}{{ users[::-1][0].name }}", "{{ users[-1].tags is defined and users[-1].tags }}", "{{ users[0].get('name') }}", "{{ (n, f) }}{{ [n if t else f, not t] }}", "{{ n|string + 'x' }}{{ n|string|length }}", "{{ n == 7.0 }}{{ t == 1 }}{{ '1' == 1 }}", "{{ l is mapping }}{{ d is mapping }}{{ d is sequence }}{{ s is sequence }}{{ d.items() is sequence }}", "{{ 5 // 2.0 }}{{ 2 ** 0.5 }}{{ 2 ** 62 }}{{ 7 / 7 }}", "{{ s.split(' ')[0][0]|lower }}", "{{ s.split('o')|join('0')|upper }}", "{{ (s ~ '!').strip('!').split()|last }}", "{{ ''|default('a') }}{{ ''|default('a', true) }}{{ none|default('a') }}{{ none|default('a', boolean=true) }}{{ undef|default }}", "{{ 'é'|upper }}{{ 'ß'|upper }}{{ 'ß'|capitalize }}{{ 'ΑΣ'|lower }}{{ 'ﬁ'|upper }}", "{{ 'hello wOrld-foo (bar'|title }}{{ \"it's\".title() }}", "{{ 'a b  c'.split(' ') }}{{ ' a b '.split() }}{{ ''.split() }}{{ ''.split(',') }}", "{{ 'a,b,c'.rsplit(',', 1) }}{{ ' a b c '.rsplit(none, 1) }}{{ ' a b c '.split(none, 1) }}", "{{ 'a'.split('') }}",
]


# What templates seldom do: arguments that do not fit, rare directives, members of the engine's own objects.
RARE = [
    # % and format
    "{{ '%(a' % d }}", "{{ '%(a)s' % n }}", "{{ '%(zz)s' % d }}", "{{ '%*d|%-5d|' % (4, n, n) }}", "{{ '%*d|' % (-4, n) }}",
    "{{ '%*d' % ('x', n) }}", "{{ '%s %s' % (1,) }}", "{{ '%ld %hd %Ld' % (1, 2, 3) }}", "{{ '%c%c' % ('x', 65) }}",
    "{{ '%3c|%-3c|' % ('ß', 223) }}", "{{ '%c' % -1 }}", "{{ '%c' % 'ab' }}", "{{ '%' % 1 }}", "{{ '%5' % 1 }}",
    "{{ '{:.3}'.format(12.5) }}", "{{ '{:.3}'.format(1234.5) }}", "{{ '{:.3}'.format(100.0) }}", "{{ '{:.3}'.format(99.0) }}",
    "{{ '{:.3}|{:.3}|{:.1}|{:.1}|{:.0}|{:.6}|{:.2}'.format(99.96, 99.94, 5.0, 0.0, 5.0, 123456.0, 12.5) }}", "{{ '{:.5}|{:.4}'.format(12000.0, 1e-7) }}",
    "{{ '%f|%5.1f|%e' % ('inf'|float, 'nan'|float, '-inf'|float) }}", "{% set x = fnum|float * 1e308 %}{{ '{:e} {:%} {:F} {:.2}'.format(x - x, x, -x, x) }}",
    "{{ 'inf'|float|round(2) }}", "{{ 1.5|round(400) }}", "{{ 1.5|round(-400) }}", "{{ (-1.5)|round(-400) }}",
    # strftime
    "{{ strftime_now('%C|%k|%l|%P|%n|%t|%r|%z|%Z|%f|%h') }}", "{{ strftime_now('%') }}", "{{ strftime_now('a%') }}", "{{ strftime_now('%Q') }}",
    "{{ strftime_now('%-d %-H %_d %_H %0e %^a %^B') }}",
    # members and types of the engine's own objects
    "{{ namespace(a=1).b }}", "{{ namespace(a=1).b.c }}", "{{ cycler('a').zz }}", "{{ cycler('a').zz.y }}", "{{ joiner().zz.y }}",
    "{% macro m() %}{% endmacro %}{{ m.zz.y }}", "{{ namespace() + 1 }}", "{{ cycler('a') + 1 }}", "{{ joiner() + 1 }}", "{{ range + 1 }}",
    "{% macro m() %}{% endmacro %}{{ m + 1 }}", "{% for x in l %}{{ loop + 1 }}{% endfor %}", "{% for x in l %}{{ loop['index'] }}{{ loop['zz'] }}{% endfor %}",
    "{% for x in l %}{{ loop['zz'].y }}{% endfor %}", "{% set n.x = 1 %}", "{% set d.x = 1 %}", "{% set undef.x = 1 %}",
    # calls
    "{{ dict(*1) }}", "{{ dict(**1) }}", "{{ dict(**{1: 2}) }}", "{{ dict(**d) == d }}", "{{ dict(a=1, a=2) }}", "{{ dict(*[[('a', 1)]]) }}",
    "{% call undef() %}{% endcall %}", "{{ d.zz() }}", "{% if t %}{{ 1|nosuch }}{% endif %}", "{% if t %}{% filter nosuch %}x{% endfilter %}{% endif %}",
    "{% if t %}{{ 1 is nosuch }}{% endif %}", "{{ 'a'.replace('a') }}", "{{ l|join('-', d='x') }}", "{{ l|batch }}",
    "{{ s.split(undef) }}", "{{ s.center('x') }}", "{{ s.startswith(1) }}", "{{ s|replace('l') }}", "{{ s|indent('a', 1, 2, 3) }}",
    "{{ s|truncate(2) }}", "{{ s|truncate(5, leeway=-1) }}", "{{ '%(a)s-%(b)05d'|format(a=1, b=2) }}", "{{ '%s'|format(1, a=2) }}", "{{ '%(a)s'|format(b=1) }}",
    "{{ 'a < b & <b>x</b> <!-- c --> y <'|striptags }}", "{{ {'a': none, 'b': undef, 'c': 1}|xmlattr }}", "{{ {'c d': 1}|xmlattr }}",
    "{{ {'a': 'x\"<', 'b': 2}|xmlattr(false) }}", "{{ {}|xmlattr }}",
    # statements
    "{% set a, b, c = [1, 2] %}", "{% set a, b = [1, 2, 3] %}", "{% for a, b in [[1]] %}{% endfor %}", "{% for a, b in [1] %}{% endfor %}",
    "{% for x in l %}a{% set y %}b{% break %}{% endset %}c{% endfor %}d", "{% for x in l %}a{% filter upper %}b{% continue %}{% endfilter %}c{% endfor %}d",
    # operators
    "{{ 7 // -1 }} {{ 0 // -1 }} {{ 7 % -1 }}", "{{ 10.0 ** 400 }}", "{{ +n }} {{ +true }} {{ +f }}", "{{ +'a' }}", "{{ -'a' }}", "{{ -[] }}", "{{ +nil }}",
    "{{ d[[1]] }}", "{{ d[[1]] is defined }}", "{{ [1] in d }}", "{{ s[1:'x'] }}", "{{ l['x':] }}", "{{ l[::0] }}", "{{ l[1.5] }}", "{{ s[none:none] }}",
]


def snippets():
    yield from STATEMENTS
    yield from RARE
    for a, op, b in itertools.product(VALUES, BINARY, VALUES):
        if op == "**" and a == "1e20" or b == "1e20" and op in ("*", "**"):
            continue
        yield "{{ %s %s %s }}" % (a, op, b)
    for a, test in itertools.product(SUBJECTS + VALUES, TESTS):
        yield "{{ %s is %s }}" % (a, test)
    for a, filter in itertools.product(SUBJECTS, FILTERS):
        if "map(" not in a or filter not in ("wordcount", "replace('', '-')"):  # print an address
            yield "{{ %s|%s }}" % (a, filter)
    for a, method in itertools.product(["s", "e", "u", "sp", "l", "d", "n", "f", "nil", "undef", "(1, 2)", "html", "num"], METHODS):
        if (a, method) != ("undef", "__class__"):
            yield "{{ %s.%s }}" % (a, method)
    for a, index in itertools.product(["s", "u", "l", "el", "(1, 2, 3)", "d", "n", "nil", "undef", "range(6)", "users"], SLICES):
        yield "{{ %s[%s] }}" % (a, index)
    for spec, a in itertools.product(FORMATS, ["n", "neg", "f", "s", "u", "nil", "t", "l", "undef"]):
        yield "{{ '[%%%s]' %% (%s,) }}" % (spec, a)
    for spec, a in itertools.product(SPECS, ["n", "neg", "f", "big", "s", "u", "nil", "t", "l", "12345678"]):
        yield "{{ '[{:%s}]'.format(%s) }}" % (spec, a)
    for op1, op2 in itertools.product(["+", "-", "*", "/", "//", "%", "**", "~", "==", "<", "and", "or", "in"], repeat=2):
        yield "{{ 2 %s 3 %s 4 }}" % (op1, op2)
        yield "{{ not 2 %s -3 %s [4]|first }}" % (op1, op2)
