"""Rewrites reference.jsonl: what Jinja2 with Hugging Face's settings prints for each line's template over vars.json.

Run with jinja2 3.1.6: python3 reference.py. To add a case, append a line {"template": "..."} first.
"""
import copy
import datetime
import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.sandbox

HERE = pathlib.Path(__file__).parent
VARS = json.loads((HERE / "vars.json").read_text())


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: datetime.datetime(2026, 1, 15).strftime(f)
    return env


def main():
    env = environment()
    path = HERE / "reference.jsonl"
    templates = [json.loads(line)["template"] for line in path.read_text().splitlines()]
    with path.open("w") as out:
        for template in templates:
            line = {"template": template}
            try:
                line["prompt"] = env.from_string(template).render(**copy.deepcopy(VARS))
            except Exception as e:
                line["error"] = f"{type(e).__name__}: {e}"
            out.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
