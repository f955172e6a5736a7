"""What a service says when it does not do what it is asked."""


class Refused(Exception):
    def __init__(self, status, code, message="", detail=None):
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message or code
        self.detail = detail
