//go:build linux

package syscall

//go:generate go tool bpf2go -tags linux -go-package syscall -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I../../../bpf" -type first_call bpf syscall.bpf.c
