# HumanEvalPlus: the program must answer as the reference does, on every input. REFERENCE, NAME, INPUTS and TOLERANCE stand ahead of this text.
import copy, json, math


def same(got, want, tolerance):
    if tolerance == 0 and type(want) is float or type(want) is list and any(type(x) is float for x in want):
        tolerance = max(tolerance, 1e-6)
    if type(got) is bool or type(want) is bool:
        return got == want
    if type(got) in (int, float) and type(want) in (int, float) and tolerance:
        return got == want or math.isclose(got, want, rel_tol=1e-7, abs_tol=tolerance)
    if type(got) in (list, tuple) and type(want) in (list, tuple) and tolerance:
        return len(got) == len(want) and all(same(x, y, tolerance) for x, y in zip(got, want))
    return got == want


def check(candidate):
    reference = {}
    exec(REFERENCE, reference)
    for args in json.loads(INPUTS):
        got = candidate(*copy.deepcopy(args))
        if NAME == "find_zero":
            assert abs(reference["poly"](args[0], got)) <= TOLERANCE, "no zero of %.200r: %.100r" % (args[0], got)
            continue
        want = reference[NAME](*copy.deepcopy(args))
        assert same(got, want, TOLERANCE), "%.200r: got %.200r, want %.200r" % (args, got, want)
