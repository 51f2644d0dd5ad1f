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
    __slots__ = ("request_id", "user_id", "context", "candidates", "variant")
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
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    user_id: str
    context: _containers.ScalarMap[str, str]
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    variant: str
    def __init__(self, request_id: _Optional[str] = ..., user_id: _Optional[str] = ..., context: _Optional[_Mapping[str, str]] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., variant: _Optional[str] = ...) -> None: ...

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

class ExplainResponse(_message.Message):
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
    ads: _containers.RepeatedCompositeFieldContainer[ExplainedAd]
    def __init__(self, request_id: _Optional[str] = ..., model_version: _Optional[str] = ..., variant: _Optional[str] = ..., rung: _Optional[_Union[Rung, str]] = ..., ads: _Optional[_Iterable[_Union[ExplainedAd, _Mapping]]] = ...) -> None: ...

class ExplainedAd(_message.Message):
    __slots__ = ("ad_id", "ctr", "logit", "constant", "contributions")
    AD_ID_FIELD_NUMBER: _ClassVar[int]
    CTR_FIELD_NUMBER: _ClassVar[int]
    LOGIT_FIELD_NUMBER: _ClassVar[int]
    CONSTANT_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    ad_id: str
    ctr: float
    logit: float
    constant: float
    contributions: _containers.RepeatedCompositeFieldContainer[Contribution]
    def __init__(self, ad_id: _Optional[str] = ..., ctr: _Optional[float] = ..., logit: _Optional[float] = ..., constant: _Optional[float] = ..., contributions: _Optional[_Iterable[_Union[Contribution, _Mapping]]] = ...) -> None: ...

class Contribution(_message.Message):
    __slots__ = ("field", "value", "total", "first_order", "interaction", "tower")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    FIRST_ORDER_FIELD_NUMBER: _ClassVar[int]
    INTERACTION_FIELD_NUMBER: _ClassVar[int]
    TOWER_FIELD_NUMBER: _ClassVar[int]
    field: str
    value: str
    total: float
    first_order: float
    interaction: float
    tower: float
    def __init__(self, field: _Optional[str] = ..., value: _Optional[str] = ..., total: _Optional[float] = ..., first_order: _Optional[float] = ..., interaction: _Optional[float] = ..., tower: _Optional[float] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    def __init__(self, versions: _Optional[_Iterable[_Union[ModelVersion, _Mapping]]] = ...) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = ("model", "version", "parent", "architecture", "created_ms", "published_ms", "current", "serving", "metrics", "withdrawn", "feature_fingerprint", "watermark_ms", "size_bytes")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_MS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_MS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    parent: str
    architecture: str
    created_ms: int
    published_ms: int
    current: bool
    serving: bool
    metrics: _containers.ScalarMap[str, float]
    withdrawn: str
    feature_fingerprint: str
    watermark_ms: int
    size_bytes: int
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ..., parent: _Optional[str] = ..., architecture: _Optional[str] = ..., created_ms: _Optional[int] = ..., published_ms: _Optional[int] = ..., current: bool = ..., serving: bool = ..., metrics: _Optional[_Mapping[str, float]] = ..., withdrawn: _Optional[str] = ..., feature_fingerprint: _Optional[str] = ..., watermark_ms: _Optional[int] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model", "version")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class RollBackRequest(_message.Message):
    __slots__ = ("model", "version", "expected", "reason")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    expected: str
    reason: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ..., expected: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RollBackResponse(_message.Message):
    __slots__ = ("model", "version", "withdrawn")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    withdrawn: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ..., withdrawn: _Optional[str] = ...) -> None: ...
