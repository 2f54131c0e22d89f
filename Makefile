# Short names for what one does often. Everything is plain Go; nothing here is needed to build or use the program.
export CGO_ENABLED = 0
FUZZTIME ?= 30s
ISAEMU ?= ../shared/tools/isaemu
ISAEMU_PYTHON ?= .cache/isaemu/bin/python

.PHONY: build test fuzz bench isa-emulated

build:
	go build -trimpath -o penny ./cmd/penny

test:
	go test ./...

# Every fuzz target of the tree, one after the other, FUZZTIME each. Twice on failure: a finding is kept as a seed and fails again, while a worker that
# a busy machine starved does not.
fuzz:
	@set -e; grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r f; do \
	  grep -oE '^func Fuzz[A-Za-z0-9_]+' "$$f" | sed 's/^func //' | while read -r t; do \
	    echo "fuzz $$(dirname $$f) $$t"; \
	    fuzz() { go test "$$(dirname $$f)" -run '^$$' -fuzz "^$$t$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s >/tmp/penny-fuzz.log 2>&1; }; \
	    fuzz || fuzz || { tail -40 /tmp/penny-fuzz.log; exit 1; }; \
	  done; \
	done

bench:
	go test -run '^$$' -bench . ./kernel/...

# The AVX-512 kernels, held bit for bit to the references on a CPU that lacks AVX-512.
isa-emulated: .cache/isaemu/ready
	@set -e; mkdir -p .cache/isaemu/cases; for p in $$(grep -rl "testutil.Emulate" --include='*_test.go' kernel | xargs -n1 dirname | sort -u); do \
	  n=.cache/isaemu/cases/$$(basename $$p); \
	  go test -c -o $$n.test ./$$p; \
	  ISAEMU_CASES=$$PWD/$$n.jsonl $$n.test -test.run 'Emulat' -test.v >/dev/null; \
	  echo "emulate $$p"; $(ISAEMU_PYTHON) $(ISAEMU)/isaemu.py $$n.test $$n.jsonl; \
	done

# The emulator's wheel is for CPython 3.11.
.cache/isaemu/ready:
	$(shell command -v python3.11 || echo python3) -m venv .cache/isaemu
	.cache/isaemu/bin/pip -q install bochscpu-python==0.4.0
	.cache/isaemu/bin/python $(ISAEMU)/isaemu.py --fix-wheel
	@touch $@
