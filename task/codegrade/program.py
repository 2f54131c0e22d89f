# Runs the program under test. Expressions come in on descriptor 3, each a call of something the program defined; values go out on 4. Everything
# here may be read and changed by the program: nothing it could forge is a verdict, only a value that the checker, elsewhere, compares.
def _serve():
    import sys
    from posix import read, write, _exit

    def take(n):
        out = b""
        while len(out) < n:
            part = read(3, n - len(out))
            if not part:
                _exit(0)
            out += part
        return out

    def receive():
        return take(int.from_bytes(take(4), "little")).decode("utf-8", "surrogatepass")

    def send(text):
        data = text.encode()
        data = len(data).to_bytes(4, "little") + data
        while data:
            data = data[write(4, data):]

    def word(s):
        return '"' + s.encode("utf-8", "surrogatepass").hex() + '"'

    handles = []
    tags = {list: "l", tuple: "t", set: "s", frozenset: "f"}

    def special(x, t):
        for module, names in (("collections", ("Counter", "OrderedDict", "defaultdict", "deque")), ("fractions", ("Fraction",)), ("decimal", ("Decimal",))):
            m = sys.modules.get(module)
            for name in names:
                if m is not None and t is getattr(m, name, None):
                    plain = list(x) if name == "deque" else str(x) if name in ("Fraction", "Decimal") else dict(x)
                    return '["x","%s",%s]' % (name, encode(plain))
        handles.append(x)
        return '["h",%d,%s]' % (len(handles) - 1, word(str(t.__name__)))

    def encode(x):
        t = type(x)
        if x is None:
            return "null"
        if t is bool:
            return "true" if x else "false"
        if t is int:
            return repr(x) if -(1 << 62) < x < 1 << 62 else '["i","%x"]' % x
        if t is float:
            return '["n","%s"]' % (x.hex() if x - x == 0 else repr(x))
        if t is str:
            return word(x)
        if t in tags:
            return "[" + ",".join(['"' + tags[t] + '"', *map(encode, x)]) + "]"
        if t is dict:
            return "[" + ",".join(['"d"', *[encode(y) for item in x.items() for y in item]]) + "]"
        if t is bytes or t is bytearray:
            return '["%s","%s"]' % ("b" if t is bytes else "B", x.hex())
        if t is complex:
            return '["c",%s,%s]' % (encode(x.real), encode(x.imag))
        if t is range:
            return '["r",%s,%s,%s]' % (encode(x.start), encode(x.stop), encode(x.step))
        return special(x, t)

    def failure(e):
        names = [c.__name__ for c in type(e).__mro__ if c.__module__ == "builtins"]
        try:
            text = str(e)
        except BaseException:
            text = ""
        return '["err",[%s],%s,%s]' % (",".join(map(word, names)), word(text[:2000]), word(type(e).__name__))

    def flush():
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BaseException:
                pass

    def answer(work):
        try:
            text = work()
        except BaseException as e:
            try:
                tb = e.__traceback__
                while tb is not None and tb.tb_frame.f_code.co_filename != "program.py":
                    tb = tb.tb_next
                if tb is not None and not isinstance(e, SystemExit):
                    sys.__excepthook__(type(e), e, tb)
            except BaseException:
                pass
            text = failure(e)
        flush()
        send(text)

    module = type(sys)("solution")
    sys.modules["solution"] = module
    sys.path[:] = [p for p in sys.path if p]
    space = module.__dict__

    def get(name):
        if name not in space:
            raise NameError("name '%s' is not defined in the program" % name)
        return space[name]

    def special_value(name, x):
        import collections, decimal, fractions
        if name == "defaultdict":
            return collections.defaultdict(None, x)
        return getattr({"Fraction": fractions, "Decimal": decimal}.get(name, collections), name)(x)

    scope = {"G": get, "H": handles.__getitem__, "X": special_value, "F": float, "FH": float.fromhex}

    def load(text):
        code = compile(text, "program.py", "exec", dont_inherit=True)
        def work():
            exec(code, space)
            return '["ok",null]'
        return work

    first = receive()
    try:
        work = load(first)
    except BaseException as e:
        message = failure(e)
        send(message.replace('["err"', '["syntax"', 1))
        _exit(0)
    answer(work)
    while True:
        text = receive()
        if text == "end":
            flush()
            _exit(0)
        answer(lambda: '["ok",%s]' % encode(eval(text, scope)))


_serve()
