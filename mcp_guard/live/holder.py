class Holder:
    inline = False
    def expire(self) -> None: ...
holder = Holder()
