"""How far it scales: five cases, each with its bound, its first bottleneck and the parameter that moves it."""
