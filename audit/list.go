package audit

import (
	"fmt"
	"io"
	"unicode/utf8"
)

// List names all claims and statements.
func (d *Data) List(w io.Writer, screen Screen) {
	width := screen.Fit().Width
	fmt.Fprintf(w, "%d claims:\n", len(d.Claims))
	for _, c := range d.Claims {
		listed(w, width, c.ID, c.Name, c.Date)
	}
	if len(d.Statements) > 0 {
		fmt.Fprintf(w, "%d statements:\n", len(d.Statements))
	}
	for _, s := range d.Statements {
		listed(w, width, s.ID, s.Who, s.Date)
	}
}

// listed writes one line of a list, cut off where the screen ends.
func listed(w io.Writer, width int, id, name, date string) {
	if date != "" {
		name += ", " + date
	}
	if room := max(width-29, 10); utf8.RuneCountInString(name) > room {
		name = string([]rune(name)[:room-2]) + " …"
	}
	fmt.Fprintf(w, "  %-26s %s\n", id, name)
}
