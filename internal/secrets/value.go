package secrets

import (
	"fmt"
	"unicode/utf8"
)

const maxValue = 64 << 10

// checkValue refuses what one of the stores could not keep.
func checkValue(name string, value []byte) error {
	if len(value) == 0 || len(value) > maxValue {
		return fmt.Errorf("secret %s: a value of %d bytes cannot be kept; allowed are 1 to %d", name, len(value), maxValue)
	}
	if !utf8.Valid(value) {
		return fmt.Errorf("secret %s: the value is not UTF-8 text", name)
	}
	return nil
}
