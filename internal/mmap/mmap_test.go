package mmap

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func write(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpen(t *testing.T) {
	want := bytes.Repeat([]byte("penny "), 5000)
	f, err := Open(write(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(f.Bytes(), want) {
		t.Error("content differs from the file")
	}
	for a := Normal; a <= WillNeed; a++ {
		for _, part := range [][]byte{f.Bytes(), f.Bytes()[4097:4100], f.Bytes()[len(want)-1:], f.Bytes()[7:7]} {
			if err := f.Advise(part, a); err != nil {
				t.Errorf("advice %d for %d bytes: %v", a, len(part), err)
			}
		}
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, path, want string }{
		{"empty", write(t, nil), "file is empty"},
		{"directory", dir, "is a directory"},
		{"missing", filepath.Join(dir, "missing"), "missing"},
	} {
		f, err := Open(c.path)
		if err == nil {
			f.Close()
			t.Fatalf("%s: opened", c.name)
		}
		if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: error %q does not name %q and the path", c.name, err, c.want)
		}
	}
}

// A file that shrinks under its mapping gives an error inside Guard, not a crash.
func TestShrink(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("relies on Linux mapping semantics")
	}
	path := write(t, make([]byte, 1<<20))
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	err = f.Guard(func() error {
		if n := bytes.Count(f.Bytes(), []byte{1}); n != 0 {
			t.Error("counted in missing pages")
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "cut from 1048576 to 100 bytes") {
		t.Errorf("guarded read of a cut file: %v", err)
	}
	if err := f.Check(); err == nil {
		t.Error("Check does not notice that the file was cut")
	}
}

func TestGuardPassesOtherPanics(t *testing.T) {
	f, err := Open(write(t, []byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	defer func() {
		if r := recover(); r != "own fault" {
			t.Errorf("recovered %v", r)
		}
	}()
	_ = f.Guard(func() error { panic("own fault") })
}
