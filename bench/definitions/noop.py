"""What Holdfast carries out in the bench's Python children: everything around the body is measured."""


def noop() -> None:
    return None
