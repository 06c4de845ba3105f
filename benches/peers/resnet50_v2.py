"""ResNet50V2 as Keras builds it, and as src/nets/models/resnet50_v2.rs does, in PyTorch."""

import torch
from torch import nn
from torch.nn import functional as F

# What Keras's network has without its running statistics.
TRAINABLE = 25_568_360


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1.001e-5, momentum=0.01)


class Block(nn.Module):
    """bn, relu, 1x1, bn, relu, 3x3, bn, relu, 1x1, and a shortcut."""

    def __init__(self, channels, filters, stride):
        super().__init__()
        wide = 4 * filters
        self.stride = stride
        self.preact = norm(channels)
        self.shortcut = nn.Conv2d(channels, wide, 1, stride) if channels != wide else None
        self.conv1 = nn.Conv2d(channels, filters, 1, bias=False)
        self.norm1 = norm(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, stride, padding=1, bias=False)
        self.norm2 = norm(filters)
        self.conv3 = nn.Conv2d(filters, wide, 1)

    def forward(self, x):
        y = F.relu(self.preact(x))
        if self.shortcut is not None:
            shortcut = self.shortcut(y)
        elif self.stride > 1:
            shortcut = F.max_pool2d(x, 1, self.stride)
        else:
            shortcut = x
        y = F.relu(self.norm1(self.conv1(y)))
        y = F.relu(self.norm2(self.conv2(y)))
        return shortcut + self.conv3(y)


class ResNet50V2(nn.Module):
    """From images (N, 3, H, W) to class scores before softmax."""

    def __init__(self, classes=1000):
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, 2, padding=3)
        blocks, channels = [], 64
        for stage, (filters, count) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
            for block in range(count):
                stride = 2 if block == count - 1 and stage < 3 else 1
                blocks.append(Block(channels, filters, stride))
                channels = 4 * filters
        self.blocks = nn.Sequential(*blocks)
        self.post = norm(channels)
        self.predictions = nn.Linear(channels, classes)
        count = sum(parameter.numel() for parameter in self.parameters())
        if classes == 1000 and count != TRAINABLE:
            raise ValueError(f"{count} parameters, Keras's network has {TRAINABLE}")

    def forward(self, x):
        x = F.max_pool2d(F.pad(self.stem(x), (1, 1, 1, 1)), 3, 2)
        x = F.relu(self.post(self.blocks(x)))
        return self.predictions(x.mean(dim=(2, 3)))
