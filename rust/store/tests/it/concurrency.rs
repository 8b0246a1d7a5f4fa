//! Many at once: never half a package, never a lost update, and the loser is told who holds the lock.
