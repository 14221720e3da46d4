// Package nearest finds the name that was probably meant by a word that is none.
package nearest

import (
	"cmp"
	"slices"
	"strings"
)

// Name returns the one of names that word was probably meant to be, or "". Upper and lower case count as the same.
func Name(word string, names []string) string {
	word = strings.ToLower(word)
	best, bestDistance := "", 1+max(len(word)/3, 1)
	begun := "" // the shortest that begins with it
	for _, n := range slices.Sorted(slices.Values(names)) {
		lower := strings.ToLower(n)
		if len(word) > 2 && strings.HasPrefix(lower, word) && (begun == "" || len(n) < len(begun)) {
			begun = n
		}
		if d := distance(word, lower); d < bestDistance {
			best, bestDistance = n, d
		}
	}
	return cmp.Or(begun, best)
}

// distance is the number of letters to insert, remove or replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
