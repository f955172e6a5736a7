"""Pages of lists."""

from fault import Refused


def number(given, name, default, most):
    text = given.get(name, str(default))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise Refused(400, "InvalidParameter." + name, "Specified parameter %s is not valid." % name)
    return int(text)


def numbered(items, given, default, most, names=("PageNumber", "PageSize")):
    page = number(given, names[0], 1, 10**6)
    size = number(given, names[1], default, most)
    return items[(page - 1) * size : page * size], {"TotalCount": len(items), names[0]: page, names[1]: size}


def chained(items, given, default, most):
    size = number(given, "MaxResults", default, most)
    start = int(given["NextToken"].removeprefix("token-")) if given.get("NextToken") else 0
    rest = {"MaxResults": size, "TotalCount": len(items)}
    if start + size < len(items):
        rest["NextToken"] = "token-%d" % (start + size)
    return items[start : start + size], rest


def listed(given, name):
    """`Name.1`, `Name.2` as texts; `Name.1.Field` as objects. The Python library sends lists in JSON as well."""
    found = {}
    for key, value in given.items():
        parts = key.split(".", 2)
        if parts[0] == name and len(parts) > 1 and parts[1].isdigit():
            at = int(parts[1])
            if len(parts) == 2:
                found[at] = value
            else:
                found.setdefault(at, {})[parts[2]] = value
    return [found[at] for at in sorted(found)]
