package verdict_test

// everyKey uses every key that decides.
const everyKey = `processes:
  a: {blocked_files: [/x]}
`
