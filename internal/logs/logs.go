// Package logs sets where lines go that no part of this program writes itself.
package logs

import (
	"log"
	"log/slog"
	"strings"
)

// Default makes l the logger of slog, and of what libraries print by package log, without what they quote there: net/http quotes what
// servers send when nobody asked them, and a server may send the secrets that it was asked with.
func Default(l *slog.Logger) {
	slog.SetDefault(l)
	log.SetFlags(0)
	log.SetOutput(unquoted{l})
}

type unquoted struct{ log *slog.Logger }

func (u unquoted) Write(line []byte) (int, error) {
	text, _, cut := strings.Cut(strings.TrimSpace(string(line)), `"`)
	u.log.Info(text, "cut", cut)
	return len(line), nil
}
