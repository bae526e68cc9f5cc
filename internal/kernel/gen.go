//go:build linux

package kernel

//go:generate go tool bpf2go -tags linux -go-package kernel -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -I../../bpf" -type record -type cpu_stats bpf core.bpf.c
