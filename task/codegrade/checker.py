# Runs tests. The program under test is in another sandbox: what the tests call here stands for it, sends the call away as an expression and
# builds plain values from the answer, which hold no code. Each job runs in a child of its own. A pass is a record signed with the job's key,
# made when the last test is done; neither the key nor the tests ever reach the program.
import ast, builtins, collections, decimal, fractions, functools, hashlib, hmac, importlib, json, math, os, re, resource, sys, itertools, random, copy

IN, OUT = 3, 4


def take(n):
    out = b""
    while len(out) < n:
        part = os.read(IN, n - len(out))
        if not part:
            os._exit(0)
        out += part
    return out


def receive():
    data = take(int.from_bytes(take(4), "little"))
    return data[:1], data[1:]


def send(kind, data):
    data = len(kind + data).to_bytes(4, "little") + kind + data
    while data:
        data = data[os.write(OUT, data):]


class ProgramGone(BaseException):
    pass


class ProgramError(Exception):
    """An exception of the program that is not one of Python's own."""


state = {"gone": False, "calls": 0}


def ask(expression):
    if state["gone"]:
        raise ProgramGone()
    state["calls"] += 1
    send(b"C", expression.encode("utf-8", "surrogatepass"))
    kind, data = receive()
    if kind == b"D":
        state["gone"] = True
        raise ProgramGone()
    answer = json.loads(data)
    if answer[0] == "ok":
        return decode(answer[1])
    names, message, name = [word(n) for n in answer[1]], word(answer[2]), word(answer[3])
    for n in names:
        c = getattr(builtins, n, None)
        if isinstance(c, type) and issubclass(c, Exception) and c is not Exception:
            e = build(c, message)
            e.of_program = name
            raise e
    e = ProgramError(name + ": " + message)
    e.of_program = name
    raise e


def build(c, message):
    try:
        return c(message)
    except TypeError:  # the decoding errors of Unicode want more
        return ValueError(message)


def word(s):
    return bytes.fromhex(s).decode("utf-8", "surrogatepass")


SPECIAL = {"Counter": collections.Counter, "OrderedDict": collections.OrderedDict, "deque": collections.deque, "Fraction": fractions.Fraction,
           "Decimal": decimal.Decimal, "defaultdict": lambda d: collections.defaultdict(None, d)}
SPECIAL_TYPES = (collections.Counter, collections.OrderedDict, collections.defaultdict, collections.deque, fractions.Fraction, decimal.Decimal)


def decode(x):
    if x is None or x is True or x is False or type(x) is int:
        return x
    if type(x) is str:
        return word(x)
    if type(x) is not list:
        raise ValueError("an answer that is no value")
    tag, rest = x[0], x[1:]
    if tag == "i":
        return int(rest[0], 16)
    if tag == "n":
        return float(rest[0]) if "n" in rest[0] else float.fromhex(rest[0])
    if tag in ("l", "t", "s", "f"):
        return {"l": list, "t": tuple, "s": set, "f": frozenset}[tag](map(decode, rest))
    if tag == "d":
        return {decode(k): decode(v) for k, v in zip(rest[::2], rest[1::2], strict=True)}
    if tag == "b":
        return bytes.fromhex(rest[0])
    if tag == "B":
        return bytearray.fromhex(rest[0])
    if tag == "c":
        return complex(decode(rest[0]), decode(rest[1]))
    if tag == "r":
        return range(*map(decode, rest))
    if tag == "x":
        return SPECIAL[rest[0]](decode(rest[1]))
    if tag == "h":
        return Remote(int(rest[0]), word(rest[1]))
    raise ValueError("an answer that is no value")


def encode(x):
    """The Python expression that makes x in the program's process."""
    t = type(x)
    if t in (type(None), bool, str, bytes, bytearray, complex, range):
        return repr(x)
    if t is int:
        return repr(x) if -(1 << 62) < x < 1 << 62 else hex(x)
    if t is float:
        return "FH(%r)" % x.hex() if math.isfinite(x) else "F(%r)" % repr(x)
    if t is list:
        return "[" + ",".join(map(encode, x)) + "]"
    if t is tuple:
        return "(" + "".join(encode(y) + "," for y in x) + ")"
    if t is set or t is frozenset:
        return t.__name__ + "([" + ",".join(map(encode, x)) + "])"
    if t is dict:
        return "{" + ",".join(encode(k) + ":" + encode(v) for k, v in x.items()) + "}"
    if t is Remote:
        return "H(%d)" % object.__getattribute__(x, "_id")
    if isinstance(x, type) and getattr(builtins, x.__name__, None) is x:
        return x.__name__
    if t in SPECIAL_TYPES:
        plain = list(x) if t is collections.deque else str(x) if t in (fractions.Fraction, decimal.Decimal) else dict(x)
        return "X(%r,%s)" % (t.__name__, encode(plain))
    if hasattr(t, "__next__"):
        return "iter(%s)" % encode(list(x))
    raise TypeError("a test hands the program a %s, which cannot be sent" % t.__name__)


class Remote:
    """Something that lives in the program's process. It equals nothing but what lives there too."""
    __slots__ = ("_id", "_type")

    def __init__(self, number, kind):
        object.__setattr__(self, "_id", number)
        object.__setattr__(self, "_type", kind)

    def __call__(self, *args, **kwargs):
        return ask("%s(*%s,**%s)" % (encode(self), encode(args), encode(kwargs)))

    def __getattr__(self, name):
        return ask("getattr(%s,%r)" % (encode(self), name))

    def __setattr__(self, name, value):
        ask("setattr(%s,%r,%s)" % (encode(self), name, encode(value)))

    def __iter__(self):
        return ask("iter(%s)" % encode(self))

    def __next__(self):
        return ask("next(%s)" % encode(self))

    def __len__(self):
        return ask("len(%s)" % encode(self))

    def __getitem__(self, key):
        return ask("%s[%s]" % (encode(self), encode(key)))

    def __setitem__(self, key, value):
        ask("%s.__setitem__(%s,%s)" % (encode(self), encode(key), encode(value)))

    def __contains__(self, key):
        return ask("%s in %s" % (encode(key), encode(self)))

    def __bool__(self):
        return ask("bool(%s)" % encode(self))

    def __str__(self):
        return ask("str(%s)" % encode(self))

    def __repr__(self):
        return "<a %s of the program>" % object.__getattribute__(self, "_type")

    def __eq__(self, other):
        return type(other) is Remote and ask("bool(%s == %s)" % (encode(self), encode(other))) is True

    def __hash__(self):
        return ask("hash(%s)" % encode(self))


def same(got, want):
    """Equality by type and value for cases with stated answers: no bool for a number, no text for a number; 1 and 1.0 are equal, floats within
    1e-9 relative; a tuple will do for a list, which is all that JSON has; NaN equals NaN."""
    if type(got) is bool or type(want) is bool:
        return got is want
    if type(got) in (int, float) and type(want) in (int, float):
        if type(got) is int and type(want) is int:
            return got == want
        return got == want or got != got and want != want or math.isclose(got, want, rel_tol=1e-9, abs_tol=1e-12)
    if type(got) in (list, tuple) and type(want) in (list, tuple):
        return len(got) == len(want) and all(map(same, got, want))
    if type(got) is dict and type(want) is dict:
        by_text = {k if type(k) is str else json.dumps(k): v for k, v in got.items() if type(k) in (str, int, float, bool, type(None))}
        return len(by_text) == len(got) == len(want) and all(k in by_text and same(by_text[k], v) for k, v in want.items())
    return type(got) is type(want) and got == want


def fetch(name):
    return ask("G(%r)" % name)


def free_names(tree):
    """Names that the tests read; those only ever used as name.attribute may be modules."""
    names, bare = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.setdefault(node.value.id)
            node.value.seen = True
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            names.setdefault(node.id)
            if not hasattr(node, "seen"):
                bare.add(node.id)
    return list(names), bare


def resolve(tree, space):
    """Gives the tests the names they read and do not define: modules of the standard library for name.attribute, else what the program has. A
    name of Python's own is taken from the program only where the tests use no other."""
    names, bare = free_names(tree)
    if all(name in space or hasattr(builtins, name) for name in names):
        # Nothing else is under test: the program must have a function named like one of Python's.
        for name in names:
            try:
                space[name] = space.get(name) or fetch(name)
            except NameError:
                pass
    for name in names:
        if name in space or hasattr(builtins, name):
            continue
        if name in sys.stdlib_module_names and name not in bare:
            space[name] = importlib.import_module(name)
            continue
        try:
            space[name] = fetch(name)
        except NameError:
            pass  # the tests define it, or fail for want of it


def run_text(job):
    space = {"__name__": "tests"}
    exec(compile(job["setup"], "setup", "exec"), space)
    tree = ast.parse(job["tests"], "tests")
    if not tree.body:
        raise BadTests("there are no tests")
    entry = job["entry"]
    if entry:
        space[entry] = space["candidate"] = fetch(entry)
    resolve(tree, space)
    exec(compile(tree, "tests", "exec"), space)
    if entry and "check" in space and not any(isinstance(n, ast.Call) and getattr(n.func, "id", "") == "check" for n in ast.walk(tree)):
        space["check"](space[entry])
    if state["calls"] == 0:
        raise BadTests("the tests never use the program")


def run_cases(job):
    method = fetch(job["entry"]) if not job["method"] else getattr(fetch("Solution")(), job["entry"])
    for i, case in enumerate(job["cases"]):
        got = method(*case["args"], **case.get("kwargs", {}))
        if isinstance(got, Remote):
            got = "an object, not a plain value"
            raise AssertionError("case %d: the answer is %r" % (i + 1, got))
        if not same(got, case["expected"]):
            raise AssertionError("case %d: got %.200r, want %.200r" % (i + 1, got, case["expected"]))


class BadTests(Exception):
    pass


def where(e, text):
    """The line of the tests at which e was raised."""
    line, tb = None, e.__traceback__
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == "tests":
            line = tb.tb_lineno
        tb = tb.tb_next
    lines = text.splitlines()
    return lines[line - 1].strip()[:300] if line and line <= len(lines) else ""


def judge(job):
    text = job.get("tests") or ""
    try:
        (run_cases if job["cases"] is not None else run_text)(job)
    except ProgramGone:
        return "gone", ""
    except (BadTests, SyntaxError) as e:
        if getattr(e, "of_program", None) is None:
            return "grader", "%s" % e
        return "runtime", describe(e)
    except AssertionError as e:
        return "wrong", "; ".join(filter(None, [str(e)[:500], where(e, text)])) or "an assertion failed"
    except MemoryError as e:
        return ("memory" if hasattr(e, "of_program") else "wrong"), "out of memory"
    except BaseException as e:
        return "runtime", "; ".join(filter(None, [describe(e), where(e, text)]))
    return ("gone", "") if state["gone"] else ("pass", "")


def describe(e):
    name = getattr(e, "of_program", None)
    return ("the program raised " if name else "the tests raised ") + (name or type(e).__name__) + ": " + str(e)[:500]


def child(data):
    job = json.loads(data)
    resource.setrlimit(resource.RLIMIT_CPU, (job["cpu"], job["cpu"]))
    key = bytes.fromhex(job.pop("key"))
    kind, reason = judge(job)
    mac = hmac.new(key, job["nonce"].encode() + b"\0" + kind.encode(), hashlib.sha256).hexdigest()
    send(b"V", json.dumps({"kind": kind, "reason": reason, "mac": mac}).encode())
    os._exit(0)


def main():
    null = os.open("/dev/null", os.O_WRONLY)  # what tests print is nobody's
    os.dup2(null, 1)
    os.dup2(null, 2)
    while True:
        _, data = receive()
        pid = os.fork()
        if pid == 0:
            try:
                child(data)
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        if status != 0:
            send(b"X", str(status).encode())


main()
