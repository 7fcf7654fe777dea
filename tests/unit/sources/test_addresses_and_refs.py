"""Addresses and refs are checked before anything is sent; what would be right is said, and secrets are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testrun_operator.sources.fetched import GitRefused
from testrun_operator.sources.git_address import parse_address
from testrun_operator.sources.git_refs import ResolvedRef, check_ref, resolve_ref


@pytest.mark.parametrize(
    ("url", "origin", "path", "name"),
    [
        ("https://git.example.com/team/ledger.git", ("https", "git.example.com", 443), "/team/ledger.git", "ledger"),
        ("http://GIT.example.com:8080/ledger/", ("http", "git.example.com", 8080), "/ledger/", "ledger"),
        ("git://10.0.0.1/a%20b.git", ("git", "10.0.0.1", 9418), "/a b.git", "a b"),
        ("https://[::1]:8443/x", ("https", "::1", 8443), "/x", "x"),
        ("https://h/a/..", ("https", "h", 443), "/a/..", "repository"),
        ("https://h/.git", ("https", "h", 443), "/.git", "repository"),
        ("https://h/" + "x" * 300, ("https", "h", 443), "/" + "x" * 300, "repository"),
    ],
)
def test_an_address_is_taken_apart(url: str, origin: tuple[str, str, int], path: str, name: str) -> None:
    """The name is one that a folder can have."""
    address = parse_address(url)
    assert (address.origin, address.path, address.name) == (origin, path, name)
    assert address.is_http is (origin[0] != "git")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://ann:s3cret@h/x.git", "must not contain credentials; use secretRef"),
        ("https://s3cret@h/x.git", "must not contain credentials; use secretRef"),
        ("https://h/x.git?private_token=s3cret", "must end with the path of the repository, without '?' and '#'"),
        ("https://h/x.git#s3cret", "must end with the path of the repository, without '?' and '#'"),
        ("ssh://git@h/x.git", "is an address of SSH, which is not spoken here; use https, with a user name and a "),
        ("git@github.com:team/x.git", "is an address of SSH, as host:path, which is not spoken here; use https, with"),
        ("file:///srv/x.git", "is a path on a machine; give the address of a server: https://, http:// or git://"),
        ("/srv/x.git", "is a path on a machine; give the address of a server: https://, http:// or git://"),
        ("../x.git", "is a path on a machine; give the address of a server: https://, http:// or git://"),
        ("ftp://h/x.git", "must begin with https://, http:// or git://"),
        ("ext::sh -c touch% /tmp/s3cret", "contains blanks or control characters"),
        ("https://h/x\n.git", "contains blanks or control characters"),
        ("https:///x.git", "has no host"),
        ("https://h", "has no path of a repository behind its host"),
        ("https://h/", "has no path of a repository behind its host"),
        ("https://h//evil.example/x", "has a path that no repository can have"),
        ("https://h/x%00", "has a path that no repository can have"),
        ("https://h:s3/x", "is not an address: Port could not be cast to integer value as 's3'"),
        ("https://[::1/x", "is not an address: Invalid IPv6 URL"),
        ("", "must begin with https://, http:// or git://"),
    ],
)
def test_other_addresses_are_refused(url: str, message: str) -> None:
    """With what would be right, and without what may be a secret."""
    with pytest.raises(GitRefused) as refused:
        parse_address(url)
    assert refused.value.field == "url"
    assert refused.value.message.startswith(message)
    assert "s3cret" not in refused.value.message


@given(st.one_of(st.text(max_size=40), st.text("htps:/@.[]?#%0g\\", max_size=30).map("https://{}".format)))
def test_any_text_is_an_address_or_refused(url: str) -> None:
    """What is accepted has a host, a path and no credentials, and a name without folders."""
    try:
        address = parse_address(url)
    except GitRefused:
        return
    assert address.origin[1]
    assert "@" not in url.split("/")[2]
    assert "/" not in address.name
    assert not address.name.startswith(".")


A, B, C = b"a" * 40, b"ab" + b"b" * 38, b"c" * 40
ADVERTISED = {
    b"HEAD": A,
    b"refs/heads/main": A,
    b"refs/heads/both": A,
    b"refs/tags/both": B,
    b"refs/tags/same": B,
    b"refs/heads/same": B,
    b"refs/heads/deadbeef": C,
    b"refs/pull/7/head": C,
}


@pytest.mark.parametrize(
    ("ref", "resolved"),
    [
        ("HEAD", ResolvedRef(A)),
        ("main", ResolvedRef(A)),
        ("heads/main", ResolvedRef(A)),
        ("refs/heads/main", ResolvedRef(A)),
        ("refs/tags/both", ResolvedRef(B)),
        ("same", ResolvedRef(B)),
        ("refs/pull/7/head", ResolvedRef(C)),
        ("deadbeef", ResolvedRef(C)),
        ("cccc", ResolvedRef(C)),
        ("C" * 40, ResolvedRef(commit=C)),
        ("a" * 4, ResolvedRef(A)),
        ("d" * 40, ResolvedRef(commit=b"d" * 40)),
        ("dddd", ResolvedRef()),
    ],
)
def test_a_ref_is_looked_for_among_names_first(ref: str, resolved: ResolvedRef) -> None:
    """A branch may be called like the beginning of an id."""
    check_ref(ref)
    assert resolve_ref(ref, ADVERTISED) == resolved


def test_the_beginning_of_two_ids_decides_nothing() -> None:
    """The history may tell which of them is a commit."""
    assert resolve_ref("abbb", ADVERTISED | {b"refs/heads/x": b"abbb" + b"0" * 36}) == ResolvedRef()


@pytest.mark.parametrize(
    ("advertised", "ref", "field", "message"),
    [
        ({}, "main", "url", "leads to a repository that is empty"),
        ({b"refs/heads/x": A}, "HEAD", "ref", "the repository's HEAD leads nowhere; name a branch"),
        ({b"refs/heads/x": b"a" * 64}, "x", "url", "leads to a repository with SHA-256, which is not supported; only"),
        (ADVERTISED, "both", "ref", "'both' is both a branch and a tag; write refs/heads/both or refs/tags/both"),
        (ADVERTISED, "mainn", "ref", "the repository has no branch or tag 'mainn'; there is for instance main"),
        ({b"HEAD": A}, "x", "ref", "the repository has no branch or tag 'x'"),
    ],
)
def test_what_cannot_be_chosen_is_explained(advertised: dict[bytes, bytes], ref: str, field: str, message: str) -> None:
    """With the field that is wrong."""
    with pytest.raises(GitRefused) as refused:
        resolve_ref(ref, advertised)
    assert refused.value.field == field
    assert refused.value.message.startswith(message)


@pytest.mark.parametrize(
    "ref", ["a b", "a..b", "main@{1}", "main~2", "v1^{}", "-x", "a\nb", "a*", "[a", "a\\b", "", "\x7f"]
)
def test_expressions_are_no_refs(ref: str) -> None:
    """Only names and ids are; the message is on one line."""
    with pytest.raises(GitRefused, match="is not the name of a branch or tag, nor the id of a commit") as refused:
        check_ref(ref)
    assert refused.value.message.isprintable()
