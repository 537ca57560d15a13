from hypothesis import HealthCheck, settings

settings.register_profile(
    "evenly",
    deadline=None,  # the machines that run this are shared and noisy
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("evenly")
