// Placeholder of the first commit of this page; see the shell that follows.
