"""The version of Holdfast that this package belongs to; a test compares it with the server's."""

VERSION = "0.1.0"
