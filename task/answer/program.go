package answer

import (
	"regexp"
	"strings"
)

// keywords start the definition that a program is asked for, by language.
var keywords = map[string]string{"python": `(?:async\s+)?def|class`, "go": `func`}

// Defines finds where a program defines a name at the left edge; nil where it does not.
func Defines(program, language, name string) []int {
	return regexp.MustCompile(`(?m)^(?:` + keywords[language] + `)\s+` + regexp.QuoteMeta(name) + `\b`).FindStringIndex(program)
}

// Program is the code in a model's text, after the thinking: of the fenced blocks that name the language, or of all where none does, the last that
// defines entry ("" for any name), else the last. A block that is left open goes to the end of the text. Where there is no fence, fenced is false
// and the program all of what follows the thinking; a text that never stops thinking has none.
func Program(text, language, entry string) (program string, fenced bool) {
	if strings.LastIndex(text, "<think>") > strings.LastIndex(text, "</think>") {
		return "", false
	}
	text = Spoken(text)
	var best block
	for _, b := range blocks(text, language) {
		b.defines = entry != "" && Defines(b.code, language, entry) != nil
		if b.rank() >= best.rank() {
			best = b
		}
	}
	if !best.fenced {
		return text, false
	}
	return strings.TrimRight(best.code, "\n") + "\n", true
}

// block is a fenced block of a text.
type block struct {
	code                   string
	fenced, named, defines bool // the zero block is none; it names the language wanted; it defines the name wanted
}

func (b block) rank() (n int) {
	for i, is := range []bool{b.fenced, b.defines, b.named} {
		if is {
			n |= 1 << i
		}
	}
	return n
}

var opening = regexp.MustCompile("(```+)[ \\t]*([a-zA-Z0-9+]*)[^`\\n]*$")

// blocks cuts a text into its fenced blocks. A line of the code that looks like a closing fence is none within a string of several lines.
func blocks(text, language string) (out []block) {
	var fence string // of the block that is open
	var in quotes
	for line := range strings.Lines(text) {
		bare := strings.TrimRight(line, "\r\n")
		if fence != "" {
			if strings.HasPrefix(strings.TrimLeft(bare, " \t"), fence) && in == "" {
				fence = ""
				continue
			}
			out[len(out)-1].code += line
			if language == "python" {
				in = in.after(bare)
			}
		} else if m := opening.FindStringSubmatch(bare); m != nil {
			tag := strings.ToLower(m[2])
			fence, in = m[1], ""
			out = append(out, block{fenced: true, named: strings.HasPrefix(tag, language) || language == "python" && tag == "py"})
		}
	}
	return out
}

// quotes are the three that close the string of several lines in which a line of Python begins; "" outside of one.
type quotes string

// after is what holds at the end of a line.
func (q quotes) after(line string) quotes {
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '\\':
			i++
		case q != "":
			if strings.HasPrefix(line[i:], string(q)) {
				i, q = i+2, ""
			}
		case line[i] == '#':
			return q
		case strings.HasPrefix(line[i:], `"""`), strings.HasPrefix(line[i:], "'''"):
			q = quotes(line[i : i+3])
			i += 2
		case line[i] == '"', line[i] == '\'':
			i = stringEnd(line, i)
		}
	}
	return q
}

// stringEnd is where the string that begins at i ends, on the same line.
func stringEnd(line string, i int) int {
	quote := line[i]
	for i++; i < len(line) && line[i] != quote; i++ {
		if line[i] == '\\' {
			i++
		}
	}
	return i
}
