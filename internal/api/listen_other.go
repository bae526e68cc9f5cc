//go:build !linux

package api

import "net"

func listen(string) (net.Listener, error) { return nil, ErrUnsupported }

func peerOf(net.Conn) (Peer, error) { return Peer{}, ErrUnsupported }
