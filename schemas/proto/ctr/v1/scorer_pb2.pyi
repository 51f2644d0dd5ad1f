from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OrderBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CTR: _ClassVar[OrderBy]
    EXPECTED_VALUE: _ClassVar[OrderBy]

class Rung(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FULL: _ClassVar[Rung]
    NO_USER: _ClassVar[Rung]
    RETRIEVAL_ONLY: _ClassVar[Rung]
    POPULAR: _ClassVar[Rung]
CTR: OrderBy
EXPECTED_VALUE: OrderBy
FULL: Rung
NO_USER: Rung
RETRIEVAL_ONLY: Rung
POPULAR: Rung

class RankRequest(_message.Message):
    __slots__ = ("request_id", "user_id", "context", "limit", "order_by", "blocked_ad_ids", "required_attributes", "variant")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class RequiredAttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_AD_IDS_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    user_id: str
    context: _containers.ScalarMap[str, str]
    limit: int
    order_by: OrderBy
    blocked_ad_ids: _containers.RepeatedScalarFieldContainer[str]
    required_attributes: _containers.ScalarMap[str, str]
    variant: str
    def __init__(self, request_id: _Optional[str] = ..., user_id: _Optional[str] = ..., context: _Optional[_Mapping[str, str]] = ..., limit: _Optional[int] = ..., order_by: _Optional[_Union[OrderBy, str]] = ..., blocked_ad_ids: _Optional[_Iterable[str]] = ..., required_attributes: _Optional[_Mapping[str, str]] = ..., variant: _Optional[str] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("ad_id", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AD_ID_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    ad_id: str
    attributes: _containers.ScalarMap[str, str]
    def __init__(self, ad_id: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("request_id", "user_id", "context", "candidates")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    user_id: str
    context: _containers.ScalarMap[str, str]
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    def __init__(self, request_id: _Optional[str] = ..., user_id: _Optional[str] = ..., context: _Optional[_Mapping[str, str]] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ...) -> None: ...

class RankedAd(_message.Message):
    __slots__ = ("ad_id", "ctr", "propensity", "source", "expected_value", "token")
    AD_ID_FIELD_NUMBER: _ClassVar[int]
    CTR_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VALUE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    ad_id: str
    ctr: float
    propensity: float
    source: str
    expected_value: float
    token: bytes
    def __init__(self, ad_id: _Optional[str] = ..., ctr: _Optional[float] = ..., propensity: _Optional[float] = ..., source: _Optional[str] = ..., expected_value: _Optional[float] = ..., token: _Optional[bytes] = ...) -> None: ...

class RankResponse(_message.Message):
    __slots__ = ("request_id", "model_version", "variant", "rung", "ads")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    RUNG_FIELD_NUMBER: _ClassVar[int]
    ADS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    model_version: str
    variant: str
    rung: Rung
    ads: _containers.RepeatedCompositeFieldContainer[RankedAd]
    def __init__(self, request_id: _Optional[str] = ..., model_version: _Optional[str] = ..., variant: _Optional[str] = ..., rung: _Optional[_Union[Rung, str]] = ..., ads: _Optional[_Iterable[_Union[RankedAd, _Mapping]]] = ...) -> None: ...
