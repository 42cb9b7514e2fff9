// Package plan decides, over calendar time, what an answer needs: which periods are known, fresh or missing, what is worth
// asking for beside them, and when a period will not change any more. All of it is a function of what is known and an
// instant.
package plan
