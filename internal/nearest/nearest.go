// Package nearest finds the name that was meant.
package nearest

// Name returns the name that word, which is none of names, was most likely meant to be: the one that takes the fewest letters
// to insert, delete or replace (Levenshtein), the first of several. It returns "" where that is more than a slip of the pen: more
// than two letters, or a third of those of a longer word. Case counts.
func Name(word string, names []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, name := range names {
		// So many letters must be inserted or deleted in any case, and a word of any length is cheap to tell apart.
		if max(len(word)-len(name), len(name)-len(word)) >= least {
			continue
		}
		if d := distance(word, name); d < least && d < len(name) {
			best, least = name, d
		}
	}
	return best
}

func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := row[0]
		row[0] = i + 1
		for j := range len(b) {
			same := left
			if a[i] != b[j] {
				same++
			}
			left = row[j+1]
			row[j+1] = min(same, left+1, row[j]+1)
		}
	}
	return row[len(b)]
}
