package answer

import "testing"

func TestFinal(t *testing.T) {
	for text, want := range map[string]string{
		"<think>1</think>\n<answer> a b </answer>": "a b", "so \\boxed{\\{x\\}}": "\\{x\\}", "The answer is: 7, 8": "7, 8", "I think\nso\n": "so",
		"<answer>x": "<answer>x", "": "", "**Answer:** yes": "yes", "<answer>1</answer> no, <answer>2</answer>": "2",
	} {
		if got := Final(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestProgram(t *testing.T) {
	for text, want := range map[string]string{
		"a\n```python\nx = 1\n```\nb": "x = 1\n", "```\nx\n```\n```python\ny\n```\n```\nz\n```": "y\n", "```py\nx\n": "x\n",
		"<think>```python\nno\n```</think>yes": "yes", "```python\na\n```\n```python\nb\n```": "b\n",
		// The shared list of programs, cp-077 to cp-083.
		"def f(x):\n    return x\n": "def f(x):\n    return x\n",
		"```python\ndef f(x): return 1\n```\nNo, better:\n```python\ndef f(x): return 2\n```\nUse it so:\n```python\nprint(f(3))\n```": "def f(x): return 2\n",
		"Sure:\n```python\ndef f(x):\n    return 2*":              "def f(x):\n    return 2*\n",
		"<think>\n```python\ndef f(x): return 2\n```\n</think>\n": "\n", "<think>\n```python\ndef f(x): return 2\n```\n": "",
		"```python\ns = \"\"\"\n```\nnot the end\n```\n\"\"\"\nx = '```' # \"\"\"\ny = 1\n```\nprose": "s = \"\"\"\n```\nnot the end\n```\n\"\"\"\nx = '```' # \"\"\"\ny = 1\n",
		"This is it.\n\n```python3\nx\n```\nDone.":                                                    "x\n", "It: ```Python\nx\n```": "x\n", "~\n```\nx\n```": "x\n", "````python\n```\nx\n````": "```\nx\n",
		"```python\r\nx\r\n```\r\n": "x\r\n", "```\ndef f(): pass\n```\n```text\nout\n```": "def f(): pass\n",
		"```python\ns = \"it's\"  # don't\n```\nprose": "s = \"it's\"  # don't\n",
	} {
		if got, _ := Program(text, "python", "f"); got != want {
			t.Errorf("%q:\n%q, want\n%q", text, got, want)
		}
	}
}
