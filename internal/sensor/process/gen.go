//go:build linux

package process

//go:generate go tool bpf2go -tags linux -go-package process -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I../../../bpf" -type exec -type fork -type exit bpf process.bpf.c
